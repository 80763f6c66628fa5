-- What was applied, with its checksum.
SELECT name, checksum FROM public.lockstep_migrations
