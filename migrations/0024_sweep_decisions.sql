-- SPDX-License-Identifier: Apache-2.0
-- The decision about a held sweep knows that the generation of a stretch of time is the negative number of its run, so that of
-- those the smaller one is the newer one.

-- Ends a held sweep by a person's decision: `p_approve` deletes what it marked, but for rows that were written since or that a
-- newer enumeration has seen; else nothing is deleted, and the next full sync weighs what is absent anew.
-- Reply: whether this call decided, the status, and the number of deletions. No row when there is no such sweep.
CREATE OR REPLACE FUNCTION lockstep.decide_sweep(p_sweep_id bigint, p_approve boolean)
RETURNS TABLE (decided boolean, outcome text, removed bigint) LANGUAGE plpgsql AS $$
DECLARE
    target lockstep.sweeps;
BEGIN
    -- The integration's row first, as checkpoints do: no run writes meanwhile.
    PERFORM 1 FROM lockstep.integrations i JOIN lockstep.sweeps s ON s.integration_id = i.id
    WHERE s.id = p_sweep_id FOR UPDATE OF i;
    SELECT * INTO target FROM lockstep.sweeps WHERE id = p_sweep_id FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    removed := 0;
    decided := target.status = 'held';
    outcome := target.status;
    IF decided THEN
        outcome := CASE WHEN p_approve THEN 'published' ELSE 'rejected' END;
        IF p_approve THEN
            DELETE FROM lockstep.sweep_items i USING lockstep.records r
            WHERE i.sweep_id = p_sweep_id AND r.integration_id = target.integration_id
                AND r.stream = target.stream AND r.external_id = i.external_id
                AND r.seq IN (
                    SELECT unnest(seqs) FROM lockstep.sync_seen
                    WHERE integration_id = target.integration_id AND stream = target.stream
                        AND (generation > greatest(target.generation, 0) OR -generation > target.sync_id));
            removed := lockstep.publish_sweep(p_sweep_id, NULL);
            UPDATE lockstep.sync_log SET records_deleted = records_deleted + decide_sweep.removed
            WHERE id = target.sync_id;
            UPDATE lockstep.sync_log_streams SET records_deleted = records_deleted + decide_sweep.removed
            WHERE sync_id = target.sync_id AND stream = target.stream;
        END IF;
        DELETE FROM lockstep.sweep_items WHERE sweep_id = p_sweep_id;
        UPDATE lockstep.sweeps SET status = outcome, decided_at = now() WHERE id = p_sweep_id;
        UPDATE lockstep.alerts SET resolved_at = now()
        WHERE kind = 'sweep_held' AND integration_id = target.integration_id AND resolved_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM lockstep.sweeps s
                WHERE s.integration_id = target.integration_id AND s.status = 'held');
    END IF;
    RETURN NEXT;
END
$$;
