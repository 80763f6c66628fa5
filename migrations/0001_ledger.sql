-- SPDX-License-Identifier: Apache-2.0
-- The ledger: integrations, their state, their records, and the log of every run.
--
-- Public names and columns are those of docs/postgres.md; dashboards rely on them. Text that identifies something
-- is COLLATE "C": identity is bytes, and byte comparison is also the fastest index.

CREATE SCHEMA lockstep;

CREATE TABLE lockstep.integrations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     text COLLATE "C" NOT NULL,
    service     text COLLATE "C" NOT NULL,
    account     text COLLATE "C" NOT NULL DEFAULT 'default',
    status      text NOT NULL DEFAULT 'active'
                CHECK (status IN ('active', 'paused', 'reauth_required', 'disconnected')),
    config      jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    -- Raised by each run that starts, checked by each checkpoint: only the newest run may commit.
    fence       bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, service, account)
) WITH (fillfactor = 70); -- every run updates `fence` in place

CREATE INDEX integrations_by_service ON lockstep.integrations (service, id);

CREATE TABLE lockstep.credentials (
    integration_id  bigint PRIMARY KEY REFERENCES lockstep.integrations ON DELETE CASCADE,
    kind            text NOT NULL,
    key_id          text NOT NULL,
    version         bigint NOT NULL DEFAULT 1,
    expires_at      timestamptz,
    scopes          text[] NOT NULL DEFAULT '{}',
    ciphertext      bytea NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now()
);

-- How far each stream of each integration has been read. Child streams have a row per parent record
-- (`partition` is the parent's external id); the whole stream's row has an empty partition.
CREATE TABLE lockstep.sync_state (
    integration_id         bigint NOT NULL REFERENCES lockstep.integrations ON DELETE CASCADE,
    stream                 text COLLATE "C" NOT NULL,
    partition              text COLLATE "C" NOT NULL DEFAULT '',
    cursor                 text,
    cursor_order           bigint,
    -- The largest cursor seen by an enumeration that has not ended yet.
    pending_cursor         text,
    pending_order          bigint,
    -- `sweep`: the generation was read to its end, and its absences wait to be settled.
    phase                  text NOT NULL DEFAULT 'idle'
                           CHECK (phase IN ('idle', 'full', 'incremental', 'sweep')),
    -- One generation is one enumeration of everything, across crashes and yields.
    generation             bigint NOT NULL DEFAULT 0,
    generation_started_at  timestamptz,
    -- Where the enumeration under way goes on; opaque, written by the connector.
    position               text,
    page                   bigint NOT NULL DEFAULT 0,
    last_success_at        timestamptz,
    last_full_at           timestamptz,
    PRIMARY KEY (integration_id, stream, partition)
) WITH (fillfactor = 70);

CREATE TABLE lockstep.records (
    integration_id   bigint NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    external_id      text COLLATE "C" NOT NULL,
    -- Of a child stream's record: the parent's external id, with which external_id begins.
    partition        text COLLATE "C" NOT NULL DEFAULT '',
    data             jsonb,
    version          bigint,
    content_hash     bytea,
    first_synced_at  timestamptz NOT NULL DEFAULT now(),
    synced_at        timestamptz NOT NULL DEFAULT now(),
    deleted_at       timestamptz,
    -- Why the row is deleted: an absence is undone by any reappearance, a tombstone only by a newer version.
    deleted_by       text CHECK (deleted_by IN ('tombstone', 'absence', 'webhook', 'gone')),
    sync_id          bigint NOT NULL,
    -- A short name of the row, so that a page of unchanged rows is remembered as one array of numbers.
    seq              bigint GENERATED ALWAYS AS IDENTITY (CACHE 100),
    PRIMARY KEY (integration_id, stream, external_id)
);

CREATE INDEX records_by_partition ON lockstep.records (integration_id, stream, partition, external_id)
    WHERE partition <> '';

-- The rows that the current generation has seen and left unchanged, one array per checkpoint.
CREATE TABLE lockstep.sync_seen (
    integration_id  bigint NOT NULL,
    stream          text COLLATE "C" NOT NULL,
    generation      bigint NOT NULL,
    partition       text COLLATE "C" NOT NULL,
    page            bigint NOT NULL,
    seqs            bigint[] NOT NULL,
    PRIMARY KEY (integration_id, stream, generation, partition, page)
);

CREATE TABLE lockstep.deletions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id  bigint NOT NULL,
    stream          text COLLATE "C" NOT NULL,
    external_id     text COLLATE "C" NOT NULL,
    reason          text NOT NULL CHECK (reason IN ('tombstone', 'absence', 'webhook', 'gone')),
    deleted_at      timestamptz NOT NULL DEFAULT now(),
    sync_id         bigint NOT NULL
);

CREATE INDEX deletions_by_record ON lockstep.deletions (integration_id, stream, external_id);

CREATE TABLE lockstep.quarantine (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id  bigint NOT NULL,
    stream          text COLLATE "C" NOT NULL,
    external_id     bytea,
    reason          text NOT NULL,
    raw             bytea NOT NULL,
    sync_id         bigint NOT NULL,
    quarantined_at  timestamptz NOT NULL DEFAULT now(),
    -- A record that stays bad is kept once, not once per sync.
    raw_hash        bytea NOT NULL,
    UNIQUE (integration_id, stream, raw_hash)
);
