-- Removes a schedule and its slots. Parameter: name. Reply: its id, if there was one.
DELETE FROM lockstep.schedules WHERE name = $1 RETURNING id
