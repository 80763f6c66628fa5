-- The first epoch of this ledger. Parameter: epoch. Several schedulers may ask; one wins.
INSERT INTO lockstep.dispatch (epoch) VALUES ($1) ON CONFLICT DO NOTHING
