-- Makes or changes the view of a stream. Parameters: see lockstep.put_view. Reply: what was done.
SELECT lockstep.put_view($1, $2, $3, $4, $5, $6)
