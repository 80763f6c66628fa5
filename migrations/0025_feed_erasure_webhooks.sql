-- SPDX-License-Identifier: Apache-2.0
-- What an event of the change feed tells stands in one place; dead letters of subscriptions are found by their age.

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
