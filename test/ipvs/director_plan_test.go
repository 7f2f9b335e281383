package ipvs

import (
	"testing"

	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/test/lab/labtest"
)

// Random configurations one after the other: applying a plan does what it said,
// on the real kernel too.
func TestDirectorPlansOnTheKernel(t *testing.T) {
	// Alone: the kernel numbers the services of all namespaces together, so that a table
	// read in parts misses some while another namespace has one more or one less.
	l := suite.Alone(t, "")
	for seed := range uint64(5) {
		var k *ipvs.Kernel
		labtest.Must(t, l.A.Do(func() (err error) {
			k, err = ipvs.Open()
			return err
		}))
		ipvstest.Plans(t, k, seed, 12)
	}
}
