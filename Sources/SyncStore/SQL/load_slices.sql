-- The stored state of some slices of a stream. Parameters: integration id, stream, partitions.
SELECT stream, partition, cursor, cursor_order, pending_cursor, pending_order, phase, generation, position, page
FROM lockstep.sync_state
WHERE integration_id = $1 AND stream = $2 AND partition = ANY ($3::text[])
