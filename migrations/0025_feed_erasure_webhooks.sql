-- SPDX-License-Identifier: Apache-2.0
-- What an event of the change feed tells stands in one place; dead letters of subscriptions are found by their age; an erasure
-- resolves the alerts of its integration, so that whoever was told of them learns that they are over.

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
