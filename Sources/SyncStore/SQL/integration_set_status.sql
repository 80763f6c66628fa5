-- Moves an integration between statuses on an operator's word. Parameters: id, new status, allowed old statuses.
UPDATE lockstep.integrations SET status = $2, updated_at = now() WHERE id = $1 AND status = ANY ($3::text[])
RETURNING id
