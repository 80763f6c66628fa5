-- Whether this database was ever migrated. The ledger stands outside the schema that the migrations make.
SELECT to_regclass('public.lockstep_migrations') IS NOT NULL
