-- What has become of a transaction that wrote something. Parameter: its number. Reply: `in progress`, `committed` or `aborted`; null when it
-- is too old to tell.
SELECT pg_xact_status($1::text::xid8)
