-- Notes what Redis has acknowledged. Parameters: epoch, beat.
UPDATE lockstep.dispatch SET beat = greatest(beat, $2), confirmed = true
WHERE epoch = $1 AND (beat < $2 OR NOT confirmed)
