-- Moves an integration between statuses on an operator's word; an active one needs nobody's attention any more.
-- Parameters: id, new status, allowed old statuses.
WITH moved AS (
    UPDATE lockstep.integrations SET status = $2, updated_at = now() 
    WHERE id = $1 AND status = ANY ($3::text[]) AND erasing_since IS NULL
    RETURNING id
), allowed AS (
    UPDATE lockstep.credentials c SET refused_reason = NULL FROM moved WHERE $2 = 'active' AND c.integration_id = moved.id
), resolved AS (
    UPDATE lockstep.alerts a SET resolved_at = now() FROM moved
    WHERE $2 = 'active' AND a.integration_id = moved.id AND a.kind = 'reauth_required' AND a.resolved_at IS NULL
)
SELECT id FROM moved
