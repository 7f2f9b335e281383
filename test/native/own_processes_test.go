package native

import (
	"os/exec"
	"strings"
	"testing"
)

// TestGuardIsEarly: the guard runs before the packages are initialised that it does not
// need, and that take memory and time in each process that does.
func TestGuardIsEarly(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(suite.Usher, "vrrp-guard", "detached", "--no-such-flag")
	cmd.Env = append(cmd.Environ(), "GODEBUG=inittrace=1") // a line of each package on stderr
	text, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("it takes a flag that there is not")
	}
	if !strings.Contains(string(text), "\ninit net @") {
		t.Fatalf("no trace of what is initialised:\n%s", text)
	}
	for _, heavy := range []string{"net/http", "google.golang.org/grpc", "github.com/osrg/gobgp/v4/api"} {
		if strings.Contains(string(text), "\ninit "+heavy+" @") {
			t.Errorf("%s is initialised first", heavy)
		}
	}
}
