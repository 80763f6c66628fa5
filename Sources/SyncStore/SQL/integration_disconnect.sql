-- Ends all work on an integration: no run opens, no open one commits, and no refresh begins. Parameter: integration id.
WITH gone AS (
    UPDATE lockstep.integrations SET status = 'disconnected', fence = fence + 1, updated_at = now() WHERE id = $1
    RETURNING id
)
UPDATE lockstep.alerts a SET resolved_at = now() FROM gone
WHERE a.integration_id = gone.id AND a.kind = 'reauth_required' AND a.resolved_at IS NULL
