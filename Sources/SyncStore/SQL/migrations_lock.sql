-- One migrator at a time; readers go on. Held until the transaction ends, so that it works through pgbouncer.
LOCK TABLE public.lockstep_migrations IN SHARE ROW EXCLUSIVE MODE
