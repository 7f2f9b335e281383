package ipvs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A pool follows a file from 3 servers to 30 and back, in steps of half of it, while clients
// connect without a pause: no connection fails, the kernel's pool never stands empty, and
// nothing is reloaded. Then the file is gone, and usher starts anew without it.
func TestDirectorDiscovers(t *testing.T) {
	const vip = "192.168.60.240:8000"
	l := suite.New(t, "fullnat")
	var all []string
	for port := 8000; port < 8010; port++ {
		for i, n := range l.Real {
			answerTCP(t, n, port)
			all = append(all, fmt.Sprintf("%s:%d", []string{"10.1.2.3", "10.1.4.5", "10.1.3.8"}[i], port))
		}
	}
	few := all[:3]
	list := func(targets []string) {
		t.Helper()
		text, err := json.Marshal([]map[string]any{{"targets": targets}})
		labtest.Must(t, err)
		name := labtest.File(t, l.A, "targets.json.new", string(text))
		labtest.Must(t, os.Rename(name, strings.TrimSuffix(name, ".new")))
	}
	list(few)
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.240/32", "dev", "eth0"))
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(`
virtual_server "web" {
  address        = "192.168.60.240:8000"
  scheduler      = "wrr"
  forward_method = "fullnat"
  drain_timeout  = "2s"
  health_check "tcp" {
    interval = "500ms"
    rise     = 1
  }
  discover "file" {
    paths    = [%q]
    interval = "1s"
  }
}
`, filepath.Join(l.A.Dir, "targets.json")))
	p := labtest.Start(t, l.A, "-c", file)
	serving := func(want []string) {
		t.Helper()
		want = slices.Sorted(slices.Values(want))
		labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("%d servers are in the kernel", len(want)), func() error {
			var have []string
			for _, line := range destinations(t, l.A, vip) {
				if f := strings.Fields(line); f[2] != "0" {
					have = append(have, f[0])
				} else {
					have = append(have, f[0]+" drains")
				}
			}
			slices.Sort(have)
			if !slices.Equal(have, want) {
				return fmt.Errorf("there are %d: %q", len(have), have)
			}
			return nil
		}))
	}
	serving(few)
	watch := watchPool(t, l.A, vip)
	stop := callers(t, l.Client, vip, 3)
	list(all)
	serving(all)
	list(few)
	serving(few)
	labtest.Must(t, os.Remove(filepath.Join(l.A.Dir, "targets.json")))
	labtest.Must(t, p.Kill())
	labtest.Start(t, l.A, "-c", file)
	labtest.Must(t, l.A.AwaitServers(t.Context(), "web", "up", few...))
	serving(few)
	total, failed := stop()
	watch.stop()
	t.Logf("%d connections, %d looks at the kernel", total, watch.reads)
	if len(failed) > 0 {
		t.Errorf("%d of %d connections failed: %v", len(failed), total, failed[0])
	}
	if watch.empty > 0 || watch.reads < 100 {
		t.Errorf("the pool was empty in %d of %d looks", watch.empty, watch.reads)
	}
}
