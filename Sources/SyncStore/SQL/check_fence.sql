-- Fails with SQLSTATE LS001 unless this run is the integration's newest. Parameters: integration id, fence.
SELECT lockstep.check_fence($1, $2)
