package command

import (
	"os"
	"os/exec"
	"testing"
)

// TestRootWithoutCapabilities: as root in a container that may not change its groups, and
// has none beside its own, programs run all the same.
func TestRootWithoutCapabilities(t *testing.T) {
	root(t)
	if os.Getenv("USHER_BARE") != "" {
		if out := say(t, runner(t), sh("id -u; id -G")); out != "0\n0" {
			t.Errorf("user and groups %q", out)
		}
		return
	}
	cmd := exec.Command("setpriv", "--regid=0", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "USHER_BARE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
