-- The ledger of applied migrations, with the SHA-256 of each file. Run it under the migrators' lock: two that create a
-- table at the same moment fail, IF NOT EXISTS or not.
CREATE TABLE IF NOT EXISTS public.lockstep_migrations (
    name text PRIMARY KEY, checksum bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
