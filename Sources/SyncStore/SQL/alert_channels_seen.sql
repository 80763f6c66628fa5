-- Notes that alerts are told on these ways. Parameter: channels.
INSERT INTO lockstep.alert_channels (channel) SELECT unnest($1::text[])
ON CONFLICT (channel) DO UPDATE SET seen_at = now()
