-- SPDX-License-Identifier: Apache-2.0
-- Which run a request to a provider belongs to, and what finds the requests of a run and the records that were put aside.

-- Null for a request of no run, such as one for a token, and for those that were logged before.
ALTER TABLE lockstep.api_log ADD COLUMN sync_id bigint;

CREATE INDEX api_log_by_run ON lockstep.api_log (sync_id, at) WHERE sync_id IS NOT NULL;
CREATE INDEX quarantine_by_integration ON lockstep.quarantine (integration_id, id);
