package ipvs

import (
	"testing"

	"usher/director/ipvstest"
)

// Random configurations one after the other: applying a plan does what it said,
// on the real kernel too.
func TestDirectorPlansOnTheKernel(t *testing.T) {
	l := suite.New(t, "")
	for seed := range uint64(5) {
		ipvstest.Plans(t, open(t, l.A), seed, 12)
	}
}
