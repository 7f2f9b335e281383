package vrrp

// Adjustment gives what a track says of a thing that is up or down: with weight 0
// a fault while it is down, with a negative weight that weight while it is down,
// with a positive one that weight while it is up. Reverse swaps up and down.
func (t Track) Adjustment(up bool, reason string) Adjustment {
	if t.Reverse {
		up = !up
	}
	a := Adjustment{Reason: reason}
	switch {
	case t.Weight == 0:
		a.Fault = !up
	case (t.Weight > 0) == up:
		a.Weight = t.Weight
	}
	return a
}

// InitialAdjustment is a track's say before its first result. Without an initial
// state a track with weight 0 is a fault: nothing is claimed on a guess.
func (t Track) InitialAdjustment() Adjustment {
	switch t.Initial {
	case "up":
		return t.Adjustment(true, "taken for up until the first result")
	case "down":
		return t.Adjustment(false, "taken for down until the first result")
	}
	return Adjustment{Fault: t.Weight == 0, Reason: "no result yet"}
}
