package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seed  = flag.Uint64("seed", 0, "run this seed alone, to repeat a failure")
	count = flag.Int("seeds", 1000, "how many seeds TestThousandSeeds runs; less under the race detector")
	hours = flag.Int("hours", 24, "how long the day of TestDay is; less under the race detector")
)

// each runs a plan for every seed from 1 to n, or for the one asked for.
func each(t *testing.T, n int, plan func(seed uint64) Plan) {
	first, last := uint64(1), uint64(n)
	if *seed != 0 {
		first, last = *seed, *seed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { Run(t, seed, plan(seed)) })
		})
	}
}

// TestDay lives a whole day of two directors through, with everything that can
// befall them and their servers.
func TestDay(t *testing.T) {
	each(t, 1, func(uint64) Plan {
		return Plan{
			Directors: 2, Preempt: true, Interval: time.Second, For: time.Duration(*hours) * time.Hour, Every: 4 * time.Minute,
			Accidents: []Accident{Kill, Restart, Upgrade, Unplug, Isolate, Stall, Server, BackCut, Flush, Snatch, Refuse},
		}
	})
}

// TestThousandSeeds lives through as many short and bad times of five routers:
// with sync groups, tracking, IPv4 and IPv6, with and without preemption, on a
// network that loses, delays and doubles packets and has one-way links, with and without
// an HMAC by clocks that differ.
func TestThousandSeeds(t *testing.T) {
	each(t, *count, func(seed uint64) Plan {
		return Plan{
			Directors: 5, Groups: seed%2 == 0, IPv6: seed%3 == 0, Preempt: seed%5 != 0, HMAC: seed%4 >= 2,
			Interval: time.Second, For: 4 * time.Minute, Every: 20 * time.Second,
			Weather: Weather{Loss: 0.02, Duplicate: 0.02, Delay: 50 * time.Millisecond},
			Accidents: []Accident{
				Kill, Restart, Upgrade, Unplug, Isolate, OneWay, Stall,
				Server, BackCut, Flush, Snatch, Handover, Degrade, Breakdown, Refuse,
			},
		}
	})
}

// TestStalls does little but stop processes and let them go on, on a network that
// loses nothing: nobody may take over from a router that was there all along.
func TestStalls(t *testing.T) {
	each(t, 20, func(seed uint64) Plan {
		return Plan{
			Directors: 3, Groups: seed%2 == 0, Preempt: true, HMAC: seed%3 == 0, Interval: time.Second, For: 20 * time.Minute, Every: 40 * time.Second,
			Accidents: []Accident{Stall, Stall, Stall, Server},
		}
	})
}

// TestStubborn has somebody on the network who is inferior and never gives way, but
// contradicts each advertisement at once: that disturbs nobody, and does not fill the wire.
// Nothing is handed over meanwhile: one whom a director has only just met, and who says
// that he has taken over, is believed.
func TestStubborn(t *testing.T) {
	each(t, 20, func(seed uint64) Plan {
		return Plan{
			Directors: 3, Groups: seed%2 == 0, IPv6: seed%3 == 0, Preempt: true, Interval: time.Second, For: 2 * time.Minute, Every: 20 * time.Second,
			Stubborn: true, Accidents: []Accident{Kill, Restart, Unplug, Isolate, Stall, Degrade},
		}
	})
}

// TestFastAdverts does the same with adverts a hundred times as fast, where the
// lease of an address outlives the down interval and so must not be all that keeps
// two directors apart.
func TestFastAdverts(t *testing.T) {
	each(t, 20, func(seed uint64) Plan {
		return Plan{
			Directors: 3, Preempt: true, HMAC: seed%2 == 0, Interval: 10 * time.Millisecond, For: 30 * time.Second, Every: 5 * time.Second,
			Accidents: []Accident{Restart, Upgrade, Unplug, Isolate, Handover, Degrade, Breakdown},
		}
	})
}
