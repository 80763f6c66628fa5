-- SPDX-License-Identifier: Apache-2.0
-- Who holds an idempotency key, what became of each notification, and the health of one integration.

-- Made anew by each request that claims the key: one that was overtaken can neither answer for the key nor give it back.
ALTER TABLE lockstep.idempotency_keys ADD COLUMN owner bytea;

-- Keeps notifications as before, and tells more. Reply: the rows that were kept or taken up again, with the status that they have
-- and the event that they are of; an event without a row was there before.
DROP FUNCTION lockstep.accept_webhooks(text[], bigint[], text[], text[], text[], bytea[], text[], text[]);
CREATE FUNCTION lockstep.accept_webhooks(
    p_services text[], p_integrations bigint[], p_accounts text[], p_event_ids text[], p_types text[],
    p_raws bytea[], p_streams text[], p_partitions text[]
) RETURNS TABLE (id bigint, integration_id bigint, status text, service text, event_id text) LANGUAGE plpgsql AS $$
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
        RETURNING e.id, e.integration_id, e.status, e.service, e.event_id
    )
    SELECT * FROM kept ORDER BY 1;
END
$$;

-- A statement that names an integration, or the scope, is to look at no other. Whatever the rules are, they stay: the view is made
-- anew from its own text.
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW lockstep.integration_health AS '
        || replace(pg_get_viewdef('lockstep.integration_health'::regclass), 'per_integration AS (',
            'per_integration AS NOT MATERIALIZED (');
END
$$;

-- The health of an integration by the rules of the view, null when there is none. A statement that asks the view about several
-- looks at the runs of all; here the one is known when the statement is planned. The few runs of one integration are read faster
-- one by one than by a look through the times of all runs, which the planner prefers for disks that have to seek.
CREATE FUNCTION lockstep.health_of(p_integration_id bigint) RETURNS text LANGUAGE plpgsql STABLE
SET random_page_cost = 1.1 AS $$
BEGIN
    RETURN (SELECT h.status FROM lockstep.integration_health h WHERE h.integration_id = p_integration_id);
END
$$;
