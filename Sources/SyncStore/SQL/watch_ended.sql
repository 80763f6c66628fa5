-- Notes that a watch has ended. Parameter: its channel id.
UPDATE lockstep.webhook_channels SET status = 'ended', error = NULL WHERE channel_id = $1
