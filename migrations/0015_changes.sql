-- SPDX-License-Identifier: Apache-2.0
-- What the gateway needs: the order in which changes can be read without missing one, decisions about held sweeps, answers
-- that are given again for the same idempotency key, and links that were used.

-- A number that rises with each row is no such order: transactions commit in another order than they took their numbers.
-- The transaction's own id is one, together with the horizon of a snapshot: below it every transaction has ended, so that no
-- change can appear there any more. Of the rows of one transaction `seq`, or the id, tells which comes first.
ALTER TABLE lockstep.records ADD COLUMN change_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE lockstep.deletions ADD COLUMN change_xid xid8 NOT NULL DEFAULT pg_current_xact_id();

CREATE INDEX records_by_change ON lockstep.records (integration_id, change_xid, seq);
CREATE INDEX deletions_by_change ON lockstep.deletions (integration_id, change_xid, id);

CREATE FUNCTION lockstep.mark_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_xid := pg_current_xact_id();
    RETURN NEW;
END
$$;

-- The default does it for new rows, also for those that COPY brings.
CREATE TRIGGER records_change BEFORE UPDATE ON lockstep.records FOR EACH ROW
    EXECUTE FUNCTION lockstep.mark_change();

-- Ends a held sweep by a person's decision: `p_approve` deletes what it marked, but for rows that were written since or that a
-- newer enumeration has seen; else nothing is deleted, and the next full sync weighs what is absent anew.
-- Reply: whether this call decided, the status, and the number of deletions. No row when there is no such sweep.
CREATE FUNCTION lockstep.decide_sweep(p_sweep_id bigint, p_approve boolean)
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
                        AND generation > target.generation);
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

CREATE INDEX sweeps_held ON lockstep.sweeps (id) WHERE status = 'held';

-- Answers of the API to requests that change something. `status` is null while the first request is being answered.
CREATE TABLE lockstep.idempotency_keys (
    key_hash      bytea PRIMARY KEY,
    -- Of method, path and body: the same key with another request is a mistake.
    request_hash  bytea NOT NULL,
    status        integer,
    body          bytea,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idempotency_keys_by_time ON lockstep.idempotency_keys (created_at);

-- Links by which a user connects an account. A link is known by its signature; only those that were used are kept, until
-- their time is over, so that none works twice.
CREATE TABLE lockstep.connect_links (
    link_hash   bytea PRIMARY KEY,
    used_at     timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

CREATE INDEX connect_links_by_time ON lockstep.connect_links (expires_at);
