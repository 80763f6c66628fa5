-- The time by which all that is stored is dated.
SELECT clock_timestamp()
