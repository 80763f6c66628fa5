-- SPDX-License-Identifier: Apache-2.0
-- Notifications of providers: accepted events with their integrations, and the channels by which some providers send them.

-- One event may concern several integrations, as when two users have connected one workspace: each gets a row.
ALTER TABLE lockstep.webhook_events
    -- 0: no integration has the account that the event names; such an event is `ignored`.
    ADD COLUMN integration_id bigint NOT NULL DEFAULT 0,
    -- What a notification without content is about: the channel's stream, and the parent's id of a child stream.
    ADD COLUMN stream text COLLATE "C",
    ADD COLUMN partition text COLLATE "C",
    -- When a job for it was last enqueued, or a worker last took it.
    ADD COLUMN dispatched_at timestamptz NOT NULL DEFAULT now(),
    DROP CONSTRAINT webhook_events_service_account_event_id_key,
    ADD CONSTRAINT webhook_events_once UNIQUE (service, account, event_id, integration_id);

CREATE INDEX webhook_events_open ON lockstep.webhook_events (integration_id, id)
    WHERE status IN ('received', 'processing');
CREATE INDEX webhook_events_closed ON lockstep.webhook_events (received_at) WHERE status IN ('done', 'ignored');

CREATE INDEX integrations_by_account ON lockstep.integrations (service, account);
CREATE INDEX integrations_by_webhook_account ON lockstep.integrations (service, (config ->> 'webhook_account'))
    WHERE config ? 'webhook_account';

-- The channels and watches that were asked for. A watch has at most one row that is to be renewed later; older ones end by
-- themselves.
CREATE TABLE lockstep.webhook_channels (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id  bigint NOT NULL REFERENCES lockstep.integrations ON DELETE CASCADE,
    stream          text COLLATE "C" NOT NULL,
    partition       text COLLATE "C" NOT NULL DEFAULT '',
    -- What the provider was told to name and prove its notifications with; of the proof only the hash is kept.
    channel_id      text COLLATE "C" NOT NULL UNIQUE,
    token_hash      bytea NOT NULL,
    -- What the provider calls the watched thing; null until it has answered.
    resource_id     text,
    status          text NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'active', 'failed', 'ended')),
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,
    -- When the next one is made in its place; of one that failed, when it is tried again.
    renew_at        timestamptz NOT NULL,
    -- When a sync was enqueued for the renewal.
    nudged_at       timestamptz
);

CREATE INDEX webhook_channels_by_slice ON lockstep.webhook_channels (integration_id, stream, partition, renew_at);
CREATE INDEX webhook_channels_due ON lockstep.webhook_channels (renew_at) WHERE status <> 'ended';

-- Keeps notifications, each once, in one transaction. An event of a null integration is of those integrations whose account,
-- or `webhook_account` in their config, is the named one. One that failed before is taken up again.
-- Reply: the rows that a job has to be enqueued for.
CREATE FUNCTION lockstep.accept_webhooks(
    p_services text[], p_integrations bigint[], p_accounts text[], p_event_ids text[], p_types text[],
    p_raws bytea[], p_streams text[], p_partitions text[]
) RETURNS TABLE (id bigint, integration_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH incoming AS (
        SELECT * FROM unnest(p_services, p_integrations, p_accounts, p_event_ids, p_types, p_raws, p_streams,
            p_partitions) AS i (service, target, account, event_id, event_type, raw, stream, partition)
    ), targets AS (
        SELECT DISTINCT ON (i.service, coalesce(t.account, i.account), i.event_id, coalesce(t.id, 0))
               i.*, coalesce(t.id, 0) AS target_id, coalesce(t.account, i.account) AS target_account
        FROM incoming i
        LEFT JOIN LATERAL (
            SELECT n.id, n.account FROM lockstep.integrations n
            WHERE n.id = i.target AND n.service = i.service COLLATE "C"
            UNION
            SELECT n.id, n.account FROM lockstep.integrations n
            WHERE i.target IS NULL AND n.service = i.service COLLATE "C" AND n.account = i.account COLLATE "C"
                AND n.status <> 'disconnected'
            UNION
            SELECT n.id, n.account FROM lockstep.integrations n
            WHERE i.target IS NULL AND n.service = i.service COLLATE "C" AND n.config ? 'webhook_account'
                AND n.config ->> 'webhook_account' = i.account AND n.status <> 'disconnected'
        ) t ON true
        ORDER BY i.service, coalesce(t.account, i.account), i.event_id, coalesce(t.id, 0)
    ), living AS MATERIALIZED (
        -- An erasure holds the row while it deletes: what comes in meanwhile waits, and is not kept then.
        SELECT n.id FROM lockstep.integrations n
        WHERE n.id IN (SELECT t.target_id FROM targets t WHERE t.target_id > 0) AND n.erasing_since IS NULL
        ORDER BY n.id FOR KEY SHARE
    ), kept AS (
        INSERT INTO lockstep.webhook_events AS e (service, account, event_id, integration_id, event_type, status,
            raw, stream, partition, error)
        SELECT service, target_account, event_id, target_id, event_type,
               CASE WHEN target_id = 0 THEN 'ignored' ELSE 'received' END,
               -- Content of nobody is not kept.
               CASE WHEN target_id = 0 THEN ''::bytea ELSE raw END, stream, partition,
               CASE WHEN target_id = 0 THEN 'no integration has this account' END
        FROM targets WHERE target_id = 0 OR target_id IN (SELECT l.id FROM living l)
        ON CONFLICT (service, account, event_id, integration_id) DO UPDATE
            SET status = 'received', error = NULL, dispatched_at = now() WHERE e.status = 'failed'
        RETURNING e.id, e.integration_id, e.status
    )
    SELECT kept.id, kept.integration_id FROM kept WHERE kept.status = 'received' ORDER BY 1;
END
$$;

-- Gives the oldest open events of an integration to its newest run: at most `p_limit`, and no more than 4 MiB together. An event
-- that has an error was in a batch that failed: it is given alone, so that it stops no other. `p_only` gives the named one
-- alone. The named one is given although it has failed.
-- Reply: the events, oldest first.
CREATE FUNCTION lockstep.take_webhooks(
    p_integration_id bigint, p_fence bigint, p_ref bigint, p_only boolean, p_limit integer
) RETURNS TABLE (id bigint, event_type text, raw bytea, stream text, partition text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    RETURN QUERY
    WITH open AS (
        SELECT e.id, e.error IS NOT NULL AS is_alone, length(e.raw) AS size FROM lockstep.webhook_events e
        WHERE e.integration_id = p_integration_id AND e.status IN ('received', 'processing')
            AND (NOT p_only OR e.id = p_ref)
        UNION
        SELECT e.id, true, length(e.raw) FROM lockstep.webhook_events e
        WHERE e.integration_id = p_integration_id AND e.id = p_ref AND e.status = 'failed'
        ORDER BY 1 LIMIT p_limit
    ), ranked AS (
        SELECT id, row_number() OVER w AS place, sum(size) OVER w AS bytes,
               count(*) FILTER (WHERE is_alone) OVER w AS alone
        FROM open WINDOW w AS (ORDER BY id)
    ), taken AS (
        UPDATE lockstep.webhook_events e
        SET status = 'processing', attempts = attempts + 1, dispatched_at = now()
        FROM ranked r
        WHERE e.id = r.id AND (r.place = 1 OR r.alone = 0 AND r.bytes <= 4194304)
        RETURNING e.id, e.event_type, e.raw, e.stream, e.partition
    )
    SELECT * FROM taken ORDER BY 1;
END
$$;

-- Finds integrations with open events that no job can be counted on for, at most `p_limit` of them: events that were accepted
-- a while ago, or before Redis lost its content. Reply: for each integration its oldest such event.
CREATE FUNCTION lockstep.sweep_webhooks(p_limit integer) RETURNS TABLE (integration_id bigint, id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH due AS (
        SELECT e.id, e.integration_id FROM lockstep.webhook_events e
        JOIN lockstep.integrations i ON i.id = e.integration_id AND i.status = 'active'
        WHERE e.status IN ('received', 'processing') AND e.integration_id > 0
            -- Twice as long each time: a job that waits for a limit is not in need of more jobs beside it.
            AND (e.dispatched_at < now() - CASE e.status
                     WHEN 'received'
                     THEN least(greatest(interval '20 s', (e.dispatched_at - e.received_at) * 2), interval '10 min')
                     ELSE interval '5 min' END
                 OR e.dispatched_at < (SELECT started_at FROM lockstep.dispatch))
        ORDER BY e.integration_id, e.id LIMIT p_limit
    ), marked AS (
        UPDATE lockstep.webhook_events e SET dispatched_at = now() FROM due
        WHERE e.id = due.id AND e.status IN ('received', 'processing') RETURNING e.id, e.integration_id
    )
    SELECT marked.integration_id, min(marked.id) FROM marked GROUP BY 1;
END
$$;

-- Finds the slices of a stream that no watch is kept for, at most `p_limit` of them: of a stream without a parent the one slice, else
-- one for each live record of the parent. Watches of parents that are gone end.
-- Reply: the parents' ids, empty for a stream without a parent.
CREATE FUNCTION lockstep.slices_to_watch(
    p_integration_id bigint, p_stream text, p_parent_stream text, p_limit integer
) RETURNS TABLE (partition text) LANGUAGE plpgsql AS $$
BEGIN
    IF p_parent_stream IS NOT NULL THEN
        UPDATE lockstep.webhook_channels c SET status = 'ended'
        WHERE c.integration_id = p_integration_id AND c.stream = p_stream COLLATE "C" AND c.status <> 'ended'
            AND NOT EXISTS (
                SELECT 1 FROM lockstep.records r WHERE r.integration_id = p_integration_id
                    AND r.stream = p_parent_stream COLLATE "C" AND r.external_id = c.partition AND r.deleted_at IS NULL);
    END IF;
    RETURN QUERY
    SELECT s.partition FROM (
        SELECT ''::text COLLATE "C" AS partition WHERE p_parent_stream IS NULL
        UNION ALL
        SELECT r.external_id FROM lockstep.records r
        WHERE r.integration_id = p_integration_id AND r.stream = p_parent_stream COLLATE "C" AND r.deleted_at IS NULL
    ) s
    WHERE NOT EXISTS (
        SELECT 1 FROM lockstep.webhook_channels c
        WHERE c.integration_id = p_integration_id AND c.stream = p_stream COLLATE "C" AND c.partition = s.partition
            AND c.status <> 'ended' AND c.renew_at > now())
    ORDER BY 1 LIMIT p_limit;
END
$$;

-- Finds active integrations with a watch that is due, at most `p_limit`, each at most every ten minutes: a sync of theirs renews it.
CREATE FUNCTION lockstep.nudge_watches(p_limit integer) RETURNS TABLE (integration_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM lockstep.webhook_channels c WHERE c.id IN (
        SELECT o.id FROM lockstep.webhook_channels o
        WHERE coalesce(o.expires_at, o.renew_at) < now() - interval '1 day'
            AND (o.status = 'ended' OR EXISTS (
                SELECT 1 FROM lockstep.webhook_channels n WHERE n.integration_id = o.integration_id
                    AND n.stream = o.stream AND n.partition = o.partition AND n.id > o.id))
        LIMIT 1000);
    RETURN QUERY
    WITH due AS (
        SELECT c.id FROM lockstep.webhook_channels c
        JOIN lockstep.integrations i ON i.id = c.integration_id AND i.status = 'active'
        WHERE c.status <> 'ended' AND c.renew_at < now()
            AND (c.nudged_at IS NULL OR c.nudged_at < now() - interval '10 min')
            AND NOT EXISTS (
                SELECT 1 FROM lockstep.webhook_channels n WHERE n.integration_id = c.integration_id
                    AND n.stream = c.stream AND n.partition = c.partition AND n.id > c.id)
        LIMIT p_limit
    ), marked AS (
        UPDATE lockstep.webhook_channels c SET nudged_at = now() FROM due WHERE c.id = due.id
        RETURNING c.integration_id
    )
    SELECT DISTINCT marked.integration_id FROM marked;
END
$$;
