package ipvs

import (
	"testing"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// The real kernel fulfils what the double promises.
func TestKernelContract(t *testing.T) {
	// Alone: the kernel numbers the services of all namespaces together, so that a table
	// read in parts misses some while another namespace has one more or one less.
	l := suite.Alone(t, "")
	ipvstest.Contract(t, func(t *testing.T) director.Kernel {
		var k *ipvs.Kernel
		err := l.A.Do(func() (err error) {
			k, err = ipvs.Open()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
		return k
	})
}
