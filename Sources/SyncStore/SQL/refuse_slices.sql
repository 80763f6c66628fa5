-- Notes slices of a child stream that may not be read. Parameters: integration id, fence, stream, partitions, codes. Reply: how many of
-- the stream may not be read, and how many were read and may be.
SELECT refused, readable FROM lockstep.refuse_slices($1, $2, $3, $4, $5)
