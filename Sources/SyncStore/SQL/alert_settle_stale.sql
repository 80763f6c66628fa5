-- Resolves alerts of integrations whose cause ended on a way that resolves none: a status that was changed by hand, a held
-- sweep that is gone. Reply: their ids.
UPDATE lockstep.alerts a SET resolved_at = now()
WHERE a.resolved_at IS NULL AND (
    a.kind = 'reauth_required' AND NOT EXISTS (
        SELECT FROM lockstep.integrations i WHERE i.id = a.integration_id AND i.status = 'reauth_required')
    OR a.kind = 'sweep_held' AND NOT EXISTS (
        SELECT FROM lockstep.sweeps s WHERE s.integration_id = a.integration_id AND s.status = 'held'))
RETURNING a.id
