package native

import (
	"os/exec"
	"strings"
	"testing"
)

// TestOwnProcessesAreEarly: the VRRP process and the guard run before the packages are
// initialised that they do not need, and that take memory and time in each process that does.
func TestOwnProcessesAreEarly(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"vrrp-child"}, {"vrrp-guard", "detached"}} {
		cmd := exec.Command(suite.Usher, append(words, "--no-such-flag")...)
		cmd.Env = append(cmd.Environ(), "GODEBUG=inittrace=1") // a line of each package on stderr
		text, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%v: it takes a flag that there is not", words)
		}
		if !strings.Contains(string(text), "\ninit net @") {
			t.Fatalf("%v: no trace of what is initialised:\n%s", words, text)
		}
		for _, heavy := range []string{"net/http", "google.golang.org/grpc", "github.com/osrg/gobgp/v4/api"} {
			if strings.Contains(string(text), "\ninit "+heavy+" @") {
				t.Errorf("%v: %s is initialised first", words, heavy)
			}
		}
	}
}
