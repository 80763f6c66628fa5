-- SPDX-License-Identifier: Apache-2.0
-- The sync log: one row per attempt of a job, one per stream of an attempt. Every attempt gets exactly one terminal status.

CREATE TABLE lockstep.sync_log (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id               text NOT NULL,
    attempt              integer NOT NULL,
    integration_id       bigint NOT NULL,
    user_id              text NOT NULL,
    service              text NOT NULL,
    account              text NOT NULL,
    type                 text NOT NULL,
    status               text NOT NULL
                         CHECK (status IN ('running', 'succeeded', 'failed', 'yielded', 'cancelled', 'superseded')),
    worker               text NOT NULL,
    fence                bigint NOT NULL,
    enqueued_at          timestamptz,
    started_at           timestamptz NOT NULL DEFAULT now(),
    completed_at         timestamptz,
    pages                bigint NOT NULL DEFAULT 0,
    api_calls            bigint NOT NULL DEFAULT 0,
    bytes_read           bigint NOT NULL DEFAULT 0,
    records_read         bigint NOT NULL DEFAULT 0,
    records_added        bigint NOT NULL DEFAULT 0,
    records_updated      bigint NOT NULL DEFAULT 0,
    records_deleted      bigint NOT NULL DEFAULT 0,
    records_unchanged    bigint NOT NULL DEFAULT 0,
    records_quarantined  bigint NOT NULL DEFAULT 0,
    throttled_ms         bigint NOT NULL DEFAULT 0,
    -- Transactions of this run so far: after a lost connection it tells whether the last one was committed.
    checkpoints          integer NOT NULL DEFAULT 0,
    error_code           text,
    error_message        text,
    error_detail         text,
    CHECK ((status = 'running') = (completed_at IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX sync_log_by_integration ON lockstep.sync_log (integration_id, id);
CREATE INDEX sync_log_running ON lockstep.sync_log (integration_id) WHERE status = 'running';
CREATE INDEX sync_log_by_time ON lockstep.sync_log USING brin (started_at);

CREATE TABLE lockstep.sync_log_streams (
    sync_id              bigint NOT NULL REFERENCES lockstep.sync_log ON DELETE CASCADE,
    stream               text COLLATE "C" NOT NULL,
    pages                bigint NOT NULL DEFAULT 0,
    api_calls            bigint NOT NULL DEFAULT 0,
    bytes_read           bigint NOT NULL DEFAULT 0,
    records_read         bigint NOT NULL DEFAULT 0,
    records_added        bigint NOT NULL DEFAULT 0,
    records_updated      bigint NOT NULL DEFAULT 0,
    records_deleted      bigint NOT NULL DEFAULT 0,
    records_unchanged    bigint NOT NULL DEFAULT 0,
    records_quarantined  bigint NOT NULL DEFAULT 0,
    throttled_ms         bigint NOT NULL DEFAULT 0,
    cursor_before        text,
    cursor_after         text,
    ended_by             text,
    PRIMARY KEY (sync_id, stream)
);
