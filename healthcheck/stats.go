package healthcheck

import "time"

// Stats are the engine's own figures since it began.
type Stats struct {
	Checks       int // probes that are run, identical ones counted once
	Started      uint64
	Late         uint64 // started late by more than half their interval
	Skipped      uint64 // not started, because the one before was still under way
	Inconclusive uint64
	Passive      uint64 // probes brought forward by unanswered connections
	Lateness     Quantiles
}

// Quantiles are of the time between when a probe was due and when it was started.
type Quantiles struct{ P50, P99, Max time.Duration }
