-- SPDX-License-Identifier: Apache-2.0
-- What the gateway keeps: links that were used.

-- Links by which a user connects an account. A link is known by its signature; only those that were used are kept, until
-- their time is over, so that none works twice.
CREATE TABLE lockstep.connect_links (
    link_hash   bytea PRIMARY KEY,
    used_at     timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

CREATE INDEX connect_links_by_time ON lockstep.connect_links (expires_at);
