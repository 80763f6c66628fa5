-- SPDX-License-Identifier: Apache-2.0
-- Views of typed fields: one schema for each service, one view for each stream whose connector names fields.
--
-- A value that is not what its field says is null: one odd record must not break the view for all.

-- A number, or a text of digits; null for anything else.
CREATE FUNCTION lockstep.field_number(p_value jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN jsonb_typeof(p_value) = 'number' THEN (p_value #>> '{}')::numeric
        WHEN jsonb_typeof(p_value) = 'string' AND p_value #>> '{}' ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$'
            THEN (p_value #>> '{}')::numeric
    END
$$;

-- A whole number that a bigint can hold; fractions are cut.
CREATE FUNCTION lockstep.field_integer(p_value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(lockstep.field_number(p_value)) < 9223372036854775807
        THEN trunc(lockstep.field_number(p_value))::bigint END
$$;

CREATE FUNCTION lockstep.field_boolean(p_value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(p_value) = 'boolean' THEN (p_value #>> '{}')::boolean END
$$;

-- An instant as seconds since 1970, times `p_scale`; null outside of the years that a timestamp has.
CREATE FUNCTION lockstep.field_epoch(p_value jsonb, p_scale numeric) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(lockstep.field_number(p_value) / p_scale) < 200000000000
        THEN to_timestamp((lockstep.field_number(p_value) / p_scale)::double precision) END
$$;

-- An instant as RFC 3339 writes it, with its zone; null for a date that does not exist.
CREATE FUNCTION lockstep.field_time(p_value jsonb) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF p_value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$'
    THEN
        RETURN NULL;
    END IF;
    RETURN (p_value #>> '{}')::timestamptz;
EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format THEN
    RETURN NULL;
END
$$;

-- Makes the view of a stream, or brings it up to date. Grants stay. A relation of that name that is not such a view
-- is left alone, with an error. `p_paths` are text[] literals. Reply: 'created', 'changed' or 'unchanged'.
CREATE FUNCTION lockstep.put_view(
    p_schema text, p_service text, p_stream text, p_names text[], p_paths text[], p_types text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_columns text := '';
    v_query text;
    v_mark text;
    v_old text;
    v_kind "char";
    v_grants text[];
    v_grant text;
BEGIN
    IF p_schema IN ('lockstep', 'public', 'information_schema') OR p_schema LIKE 'pg\_%' THEN
        RAISE EXCEPTION 'the schema % is not for views of a service', p_schema USING ERRCODE = '42710';
    END IF;
    FOR i IN 1 .. cardinality(p_names) LOOP
        v_columns := v_columns || format(', ' || CASE p_types[i]
            WHEN 'text' THEN 'r.data #>> %1$L::text[]'
            WHEN 'json' THEN 'r.data #> %1$L::text[]'
            WHEN 'integer' THEN 'lockstep.field_integer(r.data #> %1$L::text[])'
            WHEN 'number' THEN 'lockstep.field_number(r.data #> %1$L::text[])'
            WHEN 'boolean' THEN 'lockstep.field_boolean(r.data #> %1$L::text[])'
            WHEN 'epoch_seconds' THEN 'lockstep.field_epoch(r.data #> %1$L::text[], 1)'
            WHEN 'epoch_milliseconds' THEN 'lockstep.field_epoch(r.data #> %1$L::text[], 1000)'
            WHEN 'rfc3339' THEN 'lockstep.field_time(r.data #> %1$L::text[])'
        END || ' AS %2$I', p_paths[i], p_names[i]);
    END LOOP;
    v_query := format(
        'SELECT r.external_id AS id, i.user_id, i.account, r.integration_id, r.synced_at%s '
        'FROM lockstep.records r JOIN lockstep.integrations i ON i.id = r.integration_id '
        'WHERE i.service = %L AND r.stream = %L AND r.deleted_at IS NULL', v_columns, p_service, p_stream);
    v_mark := 'lockstep view ' || md5(v_query);

    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', p_schema);
    SELECT c.relkind, obj_description(c.oid, 'pg_class') INTO v_kind, v_old
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = p_schema AND c.relname = p_stream;
    IF v_kind IS NOT NULL AND (v_kind <> 'v' OR v_old IS NULL OR v_old NOT LIKE 'lockstep view %') THEN
        RAISE EXCEPTION '%.% exists and is not a view of lockstep', p_schema, p_stream USING ERRCODE = '42710';
    END IF;
    IF v_old = v_mark THEN RETURN 'unchanged'; END IF;
    IF v_kind IS NOT NULL THEN
        SELECT array_agg(format('GRANT %s ON %I.%I TO %s', a.privilege_type, p_schema, p_stream,
            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END))
        INTO v_grants
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
        WHERE n.nspname = p_schema AND c.relname = p_stream AND a.grantee <> c.relowner;
        EXECUTE format('DROP VIEW %I.%I', p_schema, p_stream);
    END IF;
    EXECUTE format('CREATE VIEW %I.%I AS %s', p_schema, p_stream, v_query);
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', p_schema, p_stream, v_mark);
    FOREACH v_grant IN ARRAY coalesce(v_grants, '{}') LOOP EXECUTE v_grant; END LOOP;
    RETURN CASE WHEN v_kind IS NULL THEN 'created' ELSE 'changed' END;
END
$$;

-- Drops the views of lockstep that are not among `p_kept` (SCHEMA.VIEW). Reply: their names.
CREATE FUNCTION lockstep.drop_views(p_kept text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    FOR v IN
        SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'v' AND obj_description(c.oid, 'pg_class') LIKE 'lockstep view %'
            AND n.nspname || '.' || c.relname <> ALL (p_kept)
        ORDER BY 1, 2
    LOOP
        EXECUTE format('DROP VIEW %I.%I', v.nspname, v.relname);
        RETURN NEXT v.nspname || '.' || v.relname;
    END LOOP;
END
$$;
