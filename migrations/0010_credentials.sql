-- SPDX-License-Identifier: Apache-2.0
-- Tokens that are refreshed by one process at a time, connecting accounts by OAuth, and erasing integrations.

-- Set when an erasure begins; nothing starts or is written any more.
ALTER TABLE lockstep.integrations ADD COLUMN erasing_since timestamptz;

-- A refresh is claimed in the row before the request goes out. The claim is the lock that counts (the one in Redis may be
-- lost), and the trace that a killed process leaves: a refresh token that rotates must not be used twice.
ALTER TABLE lockstep.credentials
    -- When a new token is to be asked for, some time before `expires_at`; null when the lifetime is not known.
    ADD COLUMN refresh_at timestamptz,
    ADD COLUMN refresh_owner text,
    ADD COLUMN refresh_until timestamptz,
    -- A request may have reached the provider whose answer was not stored: its refresh token may be used up.
    ADD COLUMN refresh_in_doubt boolean NOT NULL DEFAULT false,
    ADD COLUMN refresh_failures integer NOT NULL DEFAULT 0,
    ADD COLUMN refresh_not_before timestamptz,
    -- Why the provider takes this version no more; its user has to connect again.
    ADD COLUMN refused_reason text;

CREATE INDEX credentials_by_key ON lockstep.credentials (key_id, integration_id);

-- Claims the refresh of one version. Reply: one row when the caller may ask the provider now, else none: another process
-- does, a wait is not over, the version is not the current one, or the integration is out of service.
CREATE FUNCTION lockstep.claim_refresh(
    p_integration_id bigint, p_version bigint, p_owner text, p_lease_ms bigint
) RETURNS TABLE (kind text, ciphertext bytea, in_doubt boolean) LANGUAGE sql AS $$
    UPDATE lockstep.credentials c
    SET refresh_owner = p_owner, refresh_until = clock_timestamp() + p_lease_ms * interval '1 millisecond',
        refresh_in_doubt = c.refresh_in_doubt OR c.refresh_owner IS NOT NULL
    FROM lockstep.integrations i
    WHERE c.integration_id = p_integration_id AND i.id = c.integration_id AND c.version = p_version
        AND i.status IN ('active', 'paused') AND i.erasing_since IS NULL AND c.refused_reason IS NULL
        AND (c.refresh_owner IS NULL OR c.refresh_until < clock_timestamp())
        AND (c.refresh_not_before IS NULL OR c.refresh_not_before <= clock_timestamp())
    RETURNING c.kind, c.ciphertext, c.refresh_in_doubt
$$;

-- Stores the secrets of a refresh as the next version, if the claimed version is still the current one: whoever
-- connected the account anew meanwhile is not overwritten. An answer counts also after its claim ran out, and undoes
-- a refusal that another process met in the meantime. Reply: the new version, or null.
CREATE FUNCTION lockstep.store_refreshed(
    p_integration_id bigint, p_version bigint, p_key_id text, p_ciphertext bytea,
    p_expires_ms bigint, p_refresh_ms bigint, p_scopes text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    was_refused boolean;
BEGIN
    SELECT c.refused_reason IS NOT NULL INTO was_refused FROM lockstep.credentials c
    WHERE c.integration_id = p_integration_id AND c.version = p_version FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;

    UPDATE lockstep.credentials SET
        version = p_version + 1, key_id = p_key_id, ciphertext = p_ciphertext,
        expires_at = clock_timestamp() + p_expires_ms * interval '1 millisecond',
        refresh_at = clock_timestamp() + p_refresh_ms * interval '1 millisecond',
        scopes = coalesce(p_scopes, scopes), refresh_owner = NULL, refresh_until = NULL,
        refresh_in_doubt = false, refresh_failures = 0, refresh_not_before = NULL, refused_reason = NULL,
        updated_at = now()
    WHERE integration_id = p_integration_id;

    IF was_refused THEN
        UPDATE lockstep.integrations SET status = 'active', updated_at = now()
        WHERE id = p_integration_id AND status = 'reauth_required';
        UPDATE lockstep.alerts SET resolved_at = now()
        WHERE integration_id = p_integration_id AND kind = 'reauth_required' AND resolved_at IS NULL;
    END IF;
    RETURN p_version + 1;
END
$$;

-- Takes an integration out of service because the provider refuses its credential, with one alert. Does nothing when
-- the credential was replaced in the meantime: what was refused is not what is stored. `p_version` null: whatever is
-- stored. Reply: whether the refusal is about the current credential.
CREATE FUNCTION lockstep.refuse_credential(
    p_integration_id bigint, p_version bigint, p_reason text, p_title text, p_detail text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_service text;
BEGIN
    UPDATE lockstep.credentials SET refused_reason = p_reason, refresh_owner = NULL, refresh_until = NULL
    WHERE integration_id = p_integration_id AND version = coalesce(p_version, version);
    IF NOT FOUND AND p_version IS NOT NULL THEN RETURN false; END IF;

    UPDATE lockstep.integrations SET status = 'reauth_required', updated_at = now()
    WHERE id = p_integration_id AND status IN ('active', 'paused') RETURNING service INTO v_service;
    IF FOUND THEN
        INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
        VALUES ('reauth_required', v_service, p_integration_id, p_title, p_detail)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN true;
END
$$;

-- Accounts that are being connected. The state travels through the browser and is kept as a hash; so is the browser's
-- session. A row is deleted by its first use, or after its time.
CREATE TABLE lockstep.oauth_states (
    state_hash    bytea PRIMARY KEY,
    session_hash  bytea NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    service       text COLLATE "C" NOT NULL,
    account       text COLLATE "C" NOT NULL,
    config        jsonb NOT NULL,
    redirect_uri  text NOT NULL,
    -- The PKCE verifier, sealed like a credential.
    ciphertext    bytea NOT NULL,
    expires_at    timestamptz NOT NULL
);

CREATE INDEX oauth_states_by_time ON lockstep.oauth_states (expires_at);

-- What is left of an erased integration: that it was there, and how much of it was deleted.
CREATE TABLE lockstep.erasures (
    integration_id  bigint PRIMARY KEY,
    service         text NOT NULL,
    requested_at    timestamptz NOT NULL,
    completed_at    timestamptz,
    -- Rows deleted, by table.
    deleted         jsonb NOT NULL DEFAULT '{}'
);
GRANT SELECT ON lockstep.erasures TO lockstep_dashboard;

-- Ends all work on an integration for good: no run opens, and no checkpoint of an open one commits, as the fence is
-- nobody's. The credential goes at once. Reply: false when there is no such integration.
CREATE FUNCTION lockstep.begin_erasure(p_integration_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_service text;
BEGIN
    UPDATE lockstep.integrations SET status = 'disconnected', fence = fence + 1,
        erasing_since = coalesce(erasing_since, now()), updated_at = now()
    WHERE id = p_integration_id RETURNING service INTO v_service;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO lockstep.erasures (integration_id, service, requested_at)
    VALUES (p_integration_id, v_service, now()) ON CONFLICT (integration_id) DO NOTHING;
    DELETE FROM lockstep.credentials WHERE integration_id = p_integration_id;
    RETURN true;
END
$$;

-- Deletes up to `p_limit` rows of an integration that is being erased, from the tables of the schema that have a column
-- integration_id, beginning with `p_from`: a table that a later version adds is erased too. When a pass through all of
-- them found no row, the integration's own row goes and the erasure is complete.
-- Reply: the table to go on with, '' for one more pass; null when nothing is left.
CREATE FUNCTION lockstep.erase_batch(p_integration_id bigint, p_from text, p_limit integer) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    target record;
    v_count bigint;
    v_key lockstep.integrations;
BEGIN
    SELECT * INTO v_key FROM lockstep.integrations
    WHERE id = p_integration_id AND erasing_since IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;

    FOR target IN
        SELECT c.oid::regclass AS name, c.relname::text AS relname FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'lockstep'
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'integration_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'erasures'
            AND c.relname::text COLLATE "C" >= p_from COLLATE "C"
        ORDER BY c.relname::text COLLATE "C"
    LOOP
        -- A partitioned table has no ctid of its own: the number of the partition goes with it.
        EXECUTE format('WITH batch AS (SELECT tableoid AS part, ctid AS place FROM %1$s WHERE integration_id = $1 LIMIT $2)
            DELETE FROM %1$s t USING batch b WHERE t.tableoid = b.part AND t.ctid = b.place', target.name)
            USING p_integration_id, p_limit;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        IF v_count > 0 THEN
            UPDATE lockstep.erasures SET deleted = jsonb_set(deleted, ARRAY[target.relname],
                to_jsonb(coalesce((deleted ->> target.relname)::bigint, 0) + v_count))
            WHERE integration_id = p_integration_id;
            RETURN target.relname;
        END IF;
    END LOOP;
    IF p_from <> '' THEN RETURN ''; END IF;

    DELETE FROM lockstep.oauth_states
    WHERE user_id = v_key.user_id AND service = v_key.service AND account = v_key.account;
    DELETE FROM lockstep.integrations WHERE id = p_integration_id;
    UPDATE lockstep.erasures SET completed_at = now() WHERE integration_id = p_integration_id;
    RETURN NULL;
END
$$;
