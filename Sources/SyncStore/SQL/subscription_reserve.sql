-- The number of the next subscription: its secret is sealed for it.
SELECT nextval(pg_get_serial_sequence('lockstep.subscriptions', 'id'))
