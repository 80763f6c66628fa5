-- The ledger of applied migrations, with the SHA-256 of each file. IF NOT EXISTS alone fails when two migrators begin at
-- the same moment.
DO $$
BEGIN
    CREATE TABLE IF NOT EXISTS public.lockstep_migrations (
        name text PRIMARY KEY, checksum bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
EXCEPTION WHEN unique_violation OR duplicate_table THEN
    NULL; -- another migrator made it
END
$$
