-- Uses a link up, and forgets up to 100 whose time is over. Parameters: its hash, the end of its time in microseconds.
-- Reply: one row for the one who used it; none when its time is over or it was used before.
WITH old AS (
    DELETE FROM lockstep.connect_links WHERE link_hash IN (
        SELECT link_hash FROM lockstep.connect_links WHERE expires_at < now() ORDER BY expires_at LIMIT 100)
)
INSERT INTO lockstep.connect_links (link_hash, expires_at)
SELECT $1, e.at FROM (SELECT timestamptz 'epoch' + $2::bigint * interval '1 microsecond' AS at) e WHERE e.at > now()
ON CONFLICT (link_hash) DO NOTHING
RETURNING true
