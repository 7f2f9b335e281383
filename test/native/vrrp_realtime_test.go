package native

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// unprivileged starts usher, as a node's does by default, without the permission to have
// a real-time schedule or to lock memory.
const unprivileged = `mkdir -p run lib
mount --bind run /run
mount --bind lib /var/lib
exec prlimit --rtprio=0 --memlock=0 setpriv --bounding-set=-sys_nice,-ipc_lock "$0" run -c "$1"
`

// TestRealtimeRefused: where the system permits neither a real-time schedule nor locked
// memory, usher says so, each once, and serves all the same.
func TestRealtimeRefused(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 150))
	p, err := l.A.Start("usher", "unshare", "-m", "sh", "-e", "-c", unprivileged, l.Usher, file)
	labtest.Must(t, err)
	labtest.Await(t, l.A, "web", "active")
	for _, want := range []string{"no real-time schedule: ", "memory is not locked"} {
		if log := p.Tail(1000); strings.Count(log, want) != 1 {
			t.Errorf("the log has %q %d times:\n%s", want, strings.Count(log, want), log)
		}
	}
	if kb := locked(t, p); kb != "0" {
		t.Errorf("%s kB of memory are locked", kb)
	}
}

// TestMemoryIsLocked: where it is permitted, the VRRP process cannot be swapped out.
func TestMemoryIsLocked(t *testing.T) {
	l := suite.New(t, "")
	p := run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	if kb := locked(t, p); kb == "0" {
		t.Error("no memory is locked")
	}
}

// locked is how much memory of the VRRP process cannot be swapped out, in kB.
func locked(t *testing.T, p *lab.Process) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child(t, p)))
	labtest.Must(t, err)
	found := regexp.MustCompile(`VmLck:\s*(\d+) kB`).FindSubmatch(b)
	if found == nil {
		t.Fatalf("no VmLck in %s", b)
	}
	return string(found[1])
}
