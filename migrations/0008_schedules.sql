-- SPDX-License-Identifier: Apache-2.0
-- Schedules of single integrations, slots that one scheduler at a time works on, and the mark by which a scheduler
-- sees that Redis lost what it held.

-- Null: all integrations, or those of `service`. The narrowest schedule of a type wins: one of an integration replaces
-- those of its service, and these the schedules of all services. A disabled one replaces them too.
ALTER TABLE lockstep.schedules
    ADD COLUMN integration_id bigint REFERENCES lockstep.integrations ON DELETE CASCADE,
    ADD CONSTRAINT schedules_one_scope CHECK (service IS NULL OR integration_id IS NULL);

CREATE INDEX schedules_of_integrations ON lockstep.schedules (integration_id, type)
    WHERE integration_id IS NOT NULL;

-- A schedule whose times change owes nothing for the time before, whoever changes it.
CREATE FUNCTION lockstep.touch_schedule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TRIGGER schedules_touch BEFORE UPDATE ON lockstep.schedules FOR EACH ROW
    WHEN ((OLD.cron, OLD.time_zone, OLD.enabled) IS DISTINCT FROM (NEW.cron, NEW.time_zone, NEW.enabled))
    EXECUTE FUNCTION lockstep.touch_schedule();

ALTER TABLE lockstep.schedule_fires
    -- How often the slot was enqueued again because Redis had lost its content.
    ADD COLUMN round integer NOT NULL DEFAULT 0,
    -- The slot was skipped by a clock that was ahead: it is decided anew when its time comes.
    ADD COLUMN revived boolean NOT NULL DEFAULT false,
    -- The scheduler that enqueues the slot; another one goes on when it stops to say so.
    ADD COLUMN owner text,
    ADD COLUMN owned_until timestamptz;

DROP INDEX lockstep.schedule_fires_unfinished;
CREATE INDEX schedule_fires_unfinished ON lockstep.schedule_fires (fire_at) WHERE state = 'enqueueing';
CREATE INDEX schedule_fires_by_time ON lockstep.schedule_fires (fire_at);
CREATE INDEX schedule_fires_revived ON lockstep.schedule_fires (schedule_id, fire_at) WHERE revived;

-- What Redis has to hold. A Redis that does not know the epoch, or an earlier beat, lost what was enqueued.
CREATE TABLE lockstep.dispatch (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch      text NOT NULL,
    -- The last beat that Redis has acknowledged.
    beat       bigint NOT NULL DEFAULT 0,
    -- False until Redis has acknowledged the epoch; nothing is enqueued before.
    confirmed  boolean NOT NULL DEFAULT false,
    losses     bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now()
);
