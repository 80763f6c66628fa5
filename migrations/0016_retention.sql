-- SPDX-License-Identifier: Apache-2.0
-- The days of the request log, and what finds rows whose time is over.

-- Makes the partitions of today and of the next `p_ahead` days, in UTC. What the default partition took for such a day
-- moves into it. Reply: how many were made.
CREATE FUNCTION lockstep.api_log_make_days(p_ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_day date;
    v_name text;
    v_from timestamptz;
    v_to timestamptz;
    v_made integer := 0;
BEGIN
    -- One scheduler at a time; the lock ends with the transaction.
    PERFORM pg_advisory_xact_lock(hashtextextended('lockstep.api_log', 0));
    FOR n IN 0..p_ahead LOOP
        v_day := (now() AT TIME ZONE 'UTC')::date + n;
        v_name := 'api_log_' || to_char(v_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('lockstep.' || v_name) IS NOT NULL;
        v_from := v_day::timestamp AT TIME ZONE 'UTC';
        v_to := (v_day + 1)::timestamp AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE lockstep.%I (LIKE lockstep.api_log INCLUDING DEFAULTS)', v_name);
        -- Attaching a table, unlike making it a partition at once, leaves writers of other days alone. It looks through
        -- the default partition, so nothing may come in there meanwhile.
        LOCK TABLE lockstep.api_log_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('WITH moved AS (DELETE FROM lockstep.api_log_default WHERE at >= $1 AND at < $2 RETURNING *)
            INSERT INTO lockstep.%I SELECT * FROM moved', v_name) USING v_from, v_to;
        EXECUTE format('ALTER TABLE lockstep.api_log ATTACH PARTITION lockstep.%I FOR VALUES FROM (%L) TO (%L)',
            v_name, v_from, v_to);
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
END
$$;

-- Drops the oldest partition of the request log whose day was over before `p_before`; one at a time, as it keeps writers
-- waiting for a moment. Reply: whether there was one.
CREATE FUNCTION lockstep.api_log_drop_day(p_before timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('lockstep.api_log', 0));
    SELECT c.relname INTO v_name FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
    WHERE h.inhparent = 'lockstep.api_log'::regclass AND c.relname ~ '^api_log_[0-9]{8}$'
        AND (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC' <= p_before
    ORDER BY c.relname LIMIT 1;
    IF v_name IS NULL THEN RETURN false; END IF;
    EXECUTE format('DROP TABLE lockstep.%I', v_name);
    RETURN true;
END
$$;

CREATE INDEX deletions_by_time ON lockstep.deletions USING brin (deleted_at);
CREATE INDEX webhook_events_by_time ON lockstep.webhook_events USING brin (received_at);

SELECT lockstep.api_log_make_days(2);
