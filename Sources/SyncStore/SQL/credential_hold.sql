-- Gives the stored credential of an integration and keeps others from changing it. Parameter: integration id. Reply: kind, version,
-- ciphertext; no row when there is none.
SELECT kind, version, ciphertext FROM lockstep.credentials WHERE integration_id = $1 FOR UPDATE
