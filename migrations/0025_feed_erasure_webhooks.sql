-- SPDX-License-Identifier: Apache-2.0
-- What an event of the change feed tells stands in one place; dead letters of subscriptions are found by their age; an erasure
-- resolves the alerts of its integration, so that whoever was told of them learns that they are over; notifications of accounts that nobody
-- has, and that nothing proves, are not told apart.

-- The data of an event of the change feed, as JSON: a record and whose it is, without its content when it is deleted. Null where a
-- name is missing.
CREATE FUNCTION lockstep.change_body(
    p_integration_id bigint, p_user_id text, p_service text, p_account text, p_stream text, p_external_id text,
    p_is_deleted boolean, p_data jsonb
) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '{"integration_id":' || p_integration_id || ',"user_id":' || to_json(p_user_id)::text || ',"service":'
        || to_json(p_service)::text || ',"account":' || to_json(p_account)::text || ',"stream":'
        || to_json(p_stream)::text || ',"external_id":' || to_json(p_external_id)::text
        || CASE WHEN p_is_deleted THEN '' ELSE ',"record":' || coalesce(p_data::text, 'null') END || '}'
$$;

CREATE INDEX subscription_events_dead ON lockstep.subscription_events (failed_at) WHERE status = 'dead';

-- Begins an erasure: nothing runs any more, and the credential is gone. Reply: false when there is no such integration.
CREATE OR REPLACE FUNCTION lockstep.begin_erasure(p_integration_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_service text;
BEGIN
    UPDATE lockstep.integrations SET status = 'disconnected', fence = fence + 1,
        erasing_since = coalesce(erasing_since, now()), updated_at = now()
    WHERE id = p_integration_id RETURNING service INTO v_service;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO lockstep.erasures (integration_id, service, requested_at)
    VALUES (p_integration_id, v_service, now()) ON CONFLICT (integration_id) DO NOTHING;
    DELETE FROM lockstep.credentials WHERE integration_id = p_integration_id;

    -- An opening that nobody has heard of needs no resolution; one that may be on its way is not tried again.
    DELETE FROM lockstep.alert_deliveries d USING lockstep.alerts a
    WHERE a.id = d.alert_id AND a.integration_id = p_integration_id AND d.event = 'opened' AND d.status = 'pending'
        AND d.attempts = 0;
    UPDATE lockstep.alert_deliveries d SET error = NULL, status = 'dead', settled_at = now() FROM lockstep.alerts a
    WHERE a.id = d.alert_id AND a.integration_id = p_integration_id AND d.event = 'opened' AND d.status = 'pending';
    DELETE FROM lockstep.alert_deliveries d USING lockstep.alerts a
    WHERE a.id = d.alert_id AND a.integration_id = p_integration_id AND d.event = 'resolved' AND d.status = 'pending'
        AND NOT EXISTS (SELECT FROM lockstep.alert_deliveries o
            WHERE o.alert_id = d.alert_id AND o.channel = d.channel AND o.event = 'opened');
    -- What is still to be told stays, without what it said, and is no row of the integration any more. All others are deleted with
    -- its rows.
    UPDATE lockstep.alert_deliveries d SET error = NULL FROM lockstep.alerts a
    WHERE a.id = d.alert_id AND a.integration_id = p_integration_id AND d.error IS NOT NULL;
    UPDATE lockstep.alerts a SET resolved_at = coalesce(a.resolved_at, now()), integration_id = NULL, subject = '',
        title = 'Integration ' || p_integration_id || ' was erased', detail = ''
    WHERE a.integration_id = p_integration_id
        AND EXISTS (SELECT FROM lockstep.alert_deliveries d
            WHERE d.alert_id = a.id AND (a.resolved_at IS NULL OR d.status = 'pending'));
    RETURN true;
END
$$;

-- Keeps notifications, with the integrations that they concern; see 0020_gateway. `p_proved`: whether the account that the provider names
-- is proved, as the body is.
DROP FUNCTION lockstep.accept_webhooks(text[], bigint[], text[], text[], text[], bytea[], text[], text[]);
CREATE FUNCTION lockstep.accept_webhooks(
    p_services text[], p_integrations bigint[], p_accounts text[], p_event_ids text[], p_types text[],
    p_raws bytea[], p_streams text[], p_partitions text[], p_proved boolean[]
) RETURNS TABLE (id bigint, integration_id bigint, status text, service text, event_id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH incoming AS (
        SELECT * FROM unnest(p_services, p_integrations, p_accounts, p_event_ids, p_types, p_raws, p_streams,
            p_partitions, p_proved) AS i (service, target, account, event_id, event_type, raw, stream, partition, is_proved)
    ), targets AS (
        SELECT DISTINCT ON (i.service, k.account, i.event_id, coalesce(t.id, 0))
               i.*, coalesce(t.id, 0) AS target_id, k.account AS target_account
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
        -- Whoever has seen a request can name any account where nothing proves it: all that nobody has are one.
        CROSS JOIN LATERAL (SELECT coalesce(t.account, CASE WHEN i.is_proved THEN i.account ELSE '' END) AS account) k
        ORDER BY i.service, k.account, i.event_id, coalesce(t.id, 0)
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
               CASE WHEN target_id > 0 THEN NULL WHEN is_proved THEN 'no integration has this account'
                   ELSE 'no integration has the account ''' || account || '''' END
        FROM targets WHERE target_id = 0 OR target_id IN (SELECT l.id FROM living l)
        ON CONFLICT (service, account, event_id, integration_id) DO UPDATE
            SET status = 'received', error = NULL, dispatched_at = now() WHERE e.status = 'failed'
        RETURNING e.id, e.integration_id, e.status, e.service, e.event_id
    )
    SELECT * FROM kept ORDER BY 1;
END
$$;
