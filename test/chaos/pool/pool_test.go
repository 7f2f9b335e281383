// Package pool lives through sequences of test/chaos in worlds with IPVS, real servers
// and traffic: on this machine if its kernel has IPVS, else in a virtual one, whose
// emulation takes ten times as long. Two seeds are in `make test`; `make chaos POOL=1` runs
// more.
package pool

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/test/chaos"
	"usher/test/lab/labtest"
)

var (
	seed     = flag.Uint64("seed", 0, "run this seed alone, to repeat a failure")
	seeds    = flag.Int("seeds", 2, "how many seeds TestSeeds runs")
	first    = flag.Uint64("first", 1, "the first of them")
	worlds   = flag.Int("worlds", 1, "how many worlds live side by side")
	patience = flag.Duration("patience", 30*time.Second, "how long directors may take until all is well again; 10 s is promised where no machine is emulated")
	attempts = flag.Int("attempts", 8, "how often a sequence that fails is run again to shorten it; 0 for never")
)

// limit is how long the machine may run.
const limit = 4 * time.Hour

var suite labtest.Suite

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(labtest.IPVS(m, &suite, limit))
}

// TestSeeds lives through drawn sequences with real servers, traffic and IPVS.
func TestSeeds(t *testing.T) {
	from, to := *first, *first+uint64(*seeds)
	if *seed != 0 {
		from, to = *seed, *seed+1
	}
	var all []chaos.Story
	for n := from; n < to; n++ {
		s := chaos.DrawPoolSetup(n)
		name := fmt.Sprintf("seed %d (make chaos POOL=1 SEED=%d repeats it)", n, n)
		all = append(all, chaos.Story{Name: name, Setup: s, Steps: chaos.DrawSteps(n, s)})
	}
	chaos.Tell(t, chaos.Options{
		Root: suite.Root, Base: filepath.Join(suite.Root, "artifacts"), Usher: suite.Usher, Patience: *patience,
		Worlds: *worlds, Attempts: *attempts, Tell: *seed != 0,
	}, all)
}
