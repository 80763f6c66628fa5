-- Ends the action of a job that no attempt will continue. Parameters: job id, code, message for the user, detail.
SELECT lockstep.end_action_of_job($1, $2, $3, $4)
