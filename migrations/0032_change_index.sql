-- SPDX-License-Identifier: Apache-2.0
-- Of an account that was connected after the table of records was analyzed the planner expects no row. Then any index that
-- begins with the integration seems as good as the primary key, and a look-up of one record by its id read all that the account
-- had. Now the primary key is the only one, but for those that a query asks for by repeating their condition.

DROP INDEX lockstep.records_by_change;

-- The condition holds for each row: read_records repeats it, and nothing else does.
CREATE INDEX records_by_change ON lockstep.records (integration_id, change_xid, seq) WHERE seq > 0;
