-- Loads new records into a slice that has none yet, in the binary format of COPY. A known id fails with 23505.
COPY lockstep.records (integration_id, stream, external_id, partition, data, version, content_hash, sync_id)
FROM STDIN (FORMAT binary)
