-- Notes for a sweep what an enumeration showed and that was not stored. Parameters: integration id, stream, generation, partition,
-- page, whether the id of some of it could not be read, the other ids.
SELECT lockstep.note_rejected($1, $2, $3, $4, $5, $6, $7)
