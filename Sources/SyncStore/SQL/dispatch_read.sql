-- What Redis has to hold. Parameters: none. Reply: no row before the first scheduler.
SELECT epoch, beat, confirmed FROM lockstep.dispatch
