-- Deletes a credential where it is still the one that was read. Parameters: integration id, version.
DELETE FROM lockstep.credentials WHERE integration_id = $1 AND version = $2 RETURNING version
