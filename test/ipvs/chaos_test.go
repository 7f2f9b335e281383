package ipvs

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"usher/test/chaos"
)

var (
	chaosSeed   = flag.Uint64("seed", 0, "TestChaos runs this seed alone, to repeat a failure")
	chaosSeeds  = flag.Int("seeds", 4, "how many seeds TestChaos runs, from 1 on")
	chaosWorlds = flag.Int("worlds", 2, "how many of its worlds live side by side")
)

// chaosPatience is more than the 10 s that are promised: this machine is emulated.
const chaosPatience = 30 * time.Second

// TestChaos lives through drawn sequences with real servers, traffic and IPVS.
func TestChaos(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), uint64(*chaosSeeds)
	if *chaosSeed != 0 {
		first, last = *chaosSeed, *chaosSeed
	}
	var all []chaos.Story
	for seed := first; seed <= last; seed++ {
		s := chaos.DrawPoolSetup(seed)
		name := fmt.Sprintf("seed %d (make chaos POOL=1 SEED=%d repeats it)", seed, seed)
		all = append(all, chaos.Story{Name: name, Setup: s, Steps: chaos.DrawSteps(seed, s)})
	}
	chaos.Tell(t, chaos.Options{
		Root: suite.Root, Base: filepath.Join(suite.Root, "artifacts"), Usher: suite.Usher, Patience: chaosPatience,
		Worlds: *chaosWorlds, Attempts: 0, Tell: *chaosSeed != 0,
	}, all)
}
