-- What an action takes and gave, as somebody reads it. Parameters: its id, how many characters at the most. Reply: of the input and then
-- of the result (null when there is none) the beginning, the size of the whole, whether the beginning is all; no row when there is no
-- such action.
SELECT left(i.pretty, $2::int), octet_length(a.input::text)::bigint, length(i.pretty) <= $2::int,
       left(r.pretty, $2::int), octet_length(a.result::text)::bigint, length(r.pretty) <= $2::int
FROM lockstep.actions a, LATERAL (SELECT jsonb_pretty(a.input) AS pretty) i, LATERAL (SELECT jsonb_pretty(a.result) AS pretty) r
WHERE a.id = $1
