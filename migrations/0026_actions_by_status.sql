-- SPDX-License-Identifier: Apache-2.0
-- Operators look for the actions of one status among all that there ever were. Most have succeeded, so that those are found without
-- help.

CREATE INDEX actions_by_status ON lockstep.actions (status, id) WHERE status <> 'succeeded';
