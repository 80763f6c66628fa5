-- Begins an erasure. Parameter: integration id. See lockstep.begin_erasure.
SELECT lockstep.begin_erasure($1)
