-- SPDX-License-Identifier: Apache-2.0
-- Records that do not outlive another record of their list: a meeting that differs from its series, when the series ends. And
-- sentences that say when something continues, and the responses that runs failed of.

-- Deletes the live records of a slice in which the value at `p_path` is one of `p_ids`, with the reason `gone`. Its caller
-- holds the fence, and has deleted the records with these ids in the same transaction. The ids are the provider's own,
-- without a partition. It reads the rows of one slice, and is called only when a record of it was deleted.
-- Reply: the number of deletions.
CREATE FUNCTION lockstep.delete_members(
    p_integration_id bigint, p_stream text, p_partition text, p_sync_id bigint, p_path text[], p_ids text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    removed bigint;
BEGIN
    WITH gone AS (
        UPDATE lockstep.records r
        SET deleted_at = now(), deleted_by = 'gone', synced_at = now(), sync_id = p_sync_id
        WHERE r.integration_id = p_integration_id AND r.stream = p_stream AND r.partition = p_partition
            AND r.deleted_at IS NULL AND r.data #>> p_path = ANY (p_ids)
        RETURNING r.external_id
    ), logged AS (
        INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
        SELECT p_integration_id, p_stream, external_id, 'gone', p_sync_id FROM gone
        RETURNING 1
    )
    SELECT count(*) INTO removed FROM logged;
    RETURN removed;
END
$$;

-- A sentence for a user with the time in it: "in a while" becomes "at 14:05 UTC", the minute in which so many milliseconds are over
-- by the clock of this server; with the day when that is a day or more away, and "in a moment" when it is less than a minute.
-- Without a wait the sentence stays as it is.
CREATE FUNCTION lockstep.said_at(p_sentence text, p_wait_ms bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p_wait_ms IS NULL THEN p_sentence
        WHEN p_wait_ms < 60000 THEN replace(p_sentence, 'in a while', 'in a moment')
        ELSE replace(p_sentence, 'in a while', to_char(
            date_trunc('minute', now() + p_wait_ms * interval '1 millisecond' + interval '59 seconds') AT TIME ZONE 'UTC',
            CASE WHEN p_wait_ms < 86400000 THEN '"at "HH24:MI" UTC"' ELSE '"on "YYYY-MM-DD" at "HH24:MI" UTC"' END))
    END
$$;

-- The response that was not what the connector describes, of a run that failed of it: at most 64 KiB of its body, without the
-- integration's secrets. It goes with the run's row of the log. It is content, so the dashboard's role does not see it.
CREATE TABLE lockstep.kept_responses (
    sync_id         bigint PRIMARY KEY REFERENCES lockstep.sync_log ON DELETE CASCADE,
    integration_id  bigint NOT NULL,
    kept_at         timestamptz NOT NULL DEFAULT now(),
    -- Null when it is not known.
    status_code     integer,
    -- How long the whole body was.
    size            bigint NOT NULL,
    body            bytea NOT NULL CHECK (octet_length(body) <= 65536)
);

CREATE INDEX kept_responses_by_integration ON lockstep.kept_responses (integration_id);
