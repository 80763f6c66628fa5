-- Takes unfinished actions that have to be enqueued again. Parameters: limit. Reply: id and integration of each.
SELECT action_id, target_id FROM lockstep.sweep_actions($1::int)
