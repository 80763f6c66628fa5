-- SPDX-License-Identifier: Apache-2.0
-- What slices of child streams are made of: values of parents, not their whole records, which may have a megabyte each.

-- The scalars at paths of a record, as the text of a JSON object by their names; null when there is none. A value that no
-- request could carry is left out.
CREATE FUNCTION lockstep.scalars_of(p_data jsonb, p_names text[], p_paths text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT jsonb_object_agg(w.name, p_data #> w.path::text[])::text
    FROM unnest(p_names, p_paths) AS w (name, path)
    WHERE jsonb_typeof(p_data #> w.path::text[]) IN ('string', 'number', 'boolean')
        AND octet_length(p_data #>> w.path::text[]) <= 8192
$$;
