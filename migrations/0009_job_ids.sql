-- SPDX-License-Identifier: Apache-2.0
-- Finds the runs of a job, and of all jobs whose ids begin alike, as those of a backfill do; and the last success of a
-- service.

CREATE INDEX sync_log_by_job ON lockstep.sync_log (job_id COLLATE "C", id);
CREATE INDEX sync_log_successes ON lockstep.sync_log (service COLLATE "C", id) WHERE status = 'succeeded';
