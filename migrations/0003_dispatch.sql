-- SPDX-License-Identifier: Apache-2.0
-- Accepted work (webhook events, actions), schedules and their slots, the request log, alerts.

CREATE TABLE lockstep.webhook_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service      text COLLATE "C" NOT NULL,
    account      text COLLATE "C" NOT NULL,
    event_id     text COLLATE "C" NOT NULL,
    event_type   text NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    status       text NOT NULL DEFAULT 'received'
                 CHECK (status IN ('received', 'processing', 'done', 'failed', 'ignored')),
    attempts     integer NOT NULL DEFAULT 0,
    raw          bytea NOT NULL,
    error        text,
    UNIQUE (service, account, event_id)
);

CREATE TABLE lockstep.actions (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id   bigint NOT NULL,
    name             text NOT NULL,
    input            jsonb NOT NULL,
    idempotency_key  text COLLATE "C" NOT NULL UNIQUE,
    status           text NOT NULL DEFAULT 'requested'
                     CHECK (status IN ('requested', 'running', 'succeeded', 'failed', 'unknown')),
    result           jsonb,
    error_code       text,
    error_message    text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lockstep.schedules (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text COLLATE "C" NOT NULL UNIQUE,
    cron            text NOT NULL,
    time_zone       text NOT NULL DEFAULT 'UTC',
    type            text NOT NULL CHECK (type IN ('full', 'incremental')),
    service         text COLLATE "C",
    enabled         boolean NOT NULL DEFAULT true,
    catch_up        text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('skip', 'latest', 'all')),
    spread_seconds  integer NOT NULL DEFAULT 0 CHECK (spread_seconds BETWEEN 0 AND 86400),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

INSERT INTO lockstep.schedules (name, cron, type, spread_seconds) VALUES
    ('weekly-full', '0 0 * * 0', 'full', 3600),
    ('incremental', '*/15 * * * *', 'incremental', 600);

CREATE TABLE lockstep.schedule_fires (
    schedule_id     bigint NOT NULL REFERENCES lockstep.schedules ON DELETE CASCADE,
    fire_at         timestamptz NOT NULL,
    state           text NOT NULL DEFAULT 'enqueueing'
                    CHECK (state IN ('enqueueing', 'enqueued', 'skipped')),
    -- Integrations enqueued so far, and the last of them: a crash resumes behind it.
    enqueued        bigint NOT NULL DEFAULT 0,
    last_integration_id bigint NOT NULL DEFAULT 0,
    skipped_reason  text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    completed_at    timestamptz,
    UNIQUE (schedule_id, fire_at),
    CHECK ((state = 'skipped') = (skipped_reason IS NOT NULL))
);

CREATE INDEX schedule_fires_unfinished ON lockstep.schedule_fires (schedule_id) WHERE state = 'enqueueing';

-- Partitioned by day; a day is dropped whole when its retention ends. The default partition takes what comes before
-- its day was made.
CREATE TABLE lockstep.api_log (
    at              timestamptz NOT NULL DEFAULT now(),
    integration_id  bigint,
    service         text NOT NULL,
    method          text NOT NULL,
    endpoint        text NOT NULL,
    status_code     integer,
    duration_ms     integer NOT NULL,
    bytes           bigint NOT NULL,
    request_id      text,
    error           text
) PARTITION BY RANGE (at);

CREATE TABLE lockstep.api_log_default PARTITION OF lockstep.api_log DEFAULT;
CREATE INDEX api_log_by_time ON lockstep.api_log USING brin (at);

CREATE TABLE lockstep.alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL,
    service         text,
    integration_id  bigint,
    opened_at       timestamptz NOT NULL DEFAULT now(),
    resolved_at     timestamptz,
    title           text NOT NULL,
    detail          text NOT NULL
);

-- One open alert per cause: opening it again changes nothing.
CREATE UNIQUE INDEX alerts_open ON lockstep.alerts
    (kind, coalesce(service, ''), coalesce(integration_id, 0)) WHERE resolved_at IS NULL;
