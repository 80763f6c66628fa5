-- Notes that a delivery was made. Parameter: its id.
UPDATE lockstep.alert_deliveries SET status = 'sent', settled_at = now(), error = NULL WHERE id = $1
