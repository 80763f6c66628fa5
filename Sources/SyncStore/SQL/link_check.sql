-- Whether a link still works. Parameters: its hash, the end of its time in microseconds. Reply: whether its time is over,
-- whether it was used.
SELECT now() >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond',
    EXISTS (SELECT 1 FROM lockstep.connect_links WHERE link_hash = $1)
