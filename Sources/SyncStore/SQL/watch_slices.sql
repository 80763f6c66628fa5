-- Parameters: integration id, stream, parent stream or null, limit. Reply: the slices to be watched, with the parent's data.
SELECT s.partition, r.data::text
FROM lockstep.slices_to_watch($1, $2, $3, $4::integer) s
LEFT JOIN lockstep.records r ON r.integration_id = $1 AND r.stream = $3 COLLATE "C" AND r.external_id = s.partition COLLATE "C"
