-- Has the dead letters of a subscription delivered once more. Parameter: id. Reply: their number.
WITH revived AS (
    UPDATE lockstep.subscription_events SET due_at = now(), attempts = 0
    WHERE subscription_id = $1 AND status = 'dead' RETURNING 1
), hurried AS (
    UPDATE lockstep.subscriptions SET due_at = now(), updated_at = now() WHERE id = $1
)
SELECT count(*) FROM revived
