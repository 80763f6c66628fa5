-- What the newest records that were put aside have in common, the largest group first. Parameters: integration id, how many
-- are looked at. Reply: stream, reason, number.
SELECT stream, reason, count(*) FROM (
    SELECT stream, reason FROM lockstep.quarantine WHERE integration_id = $1 ORDER BY id DESC LIMIT $2
) q GROUP BY stream, reason ORDER BY count(*) DESC, stream, reason
