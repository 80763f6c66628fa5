-- Drops views that are not kept. Parameter: the names of those that are. Reply: one row for each that was dropped.
SELECT lockstep.drop_views($1)
