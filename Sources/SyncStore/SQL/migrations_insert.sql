-- Notes a migration as applied. Parameters: name, checksum.
INSERT INTO public.lockstep_migrations (name, checksum) VALUES ($1, $2)
