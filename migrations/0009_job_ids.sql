-- SPDX-License-Identifier: Apache-2.0
-- Finds the runs of a job, and of all jobs whose ids begin alike, as those of a backfill do.

CREATE INDEX sync_log_by_job ON lockstep.sync_log (job_id COLLATE "C", id);
