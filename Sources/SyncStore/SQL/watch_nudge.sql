-- Parameters: limit. Reply: integrations whose watches are due.
SELECT integration_id FROM lockstep.nudge_watches($1::integer)
