-- One migrator at a time, also where the ledger is not there yet; readers go on. Held until the transaction ends, so
-- that it works through pgbouncer. The key is the text "lockstep" as a big-endian number.
SELECT pg_advisory_xact_lock(7813573191660758384)
