package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
)

// crowd is a configuration of servers with the addresses given.
func (f *fixture) crowd(addresses []string) string {
	var b strings.Builder
	b.WriteString(f.global("") + "locals {\n  all = [\"" + strings.Join(addresses, `", "`) + "\"]\n}\n")
	for _, name := range []string{"web", "twice"} { // the second adds no neighbours
		fmt.Fprintf(&b, `
virtual_server %q {
  address        = "192.0.2.%d:80"
  forward_method = "tun"
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:80"]
    content {}
  }
}
`, name, len(name))
	}
	return b.String()
}

func addresses(n int, form func(i int) string) (all []string) {
	for i := range n {
		all = append(all, form(i))
	}
	return all
}

// TestCrowdOfNeighbours: more servers in the machine's own networks than the kernel's
// table of neighbours can well hold are a warning, until there is room.
func TestCrowdOfNeighbours(t *testing.T) {
	near := func(i int) string { return fmt.Sprintf("10.0.%d.%d", i/250, 1+i%250) }
	near6 := func(i int) string { return fmt.Sprintf("[fd00::%x]", 1+i) }
	routed := func(i int) string { return fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250) }
	for _, tc := range []struct {
		name, subject, text string
		servers             []string
	}{
		{"as many as there may be", "", "", slices.Concat(addresses(768, near), addresses(768, near6))},
		{"behind a router", "", "", addresses(800, routed)},
		{"one more", "net.ipv4.neigh.default.gc_thresh3",
			"769 real servers are in this machine's own networks, and the kernel's table of neighbours has room for 1024 (net.ipv4.neigh.default.gc_thresh3): when it is full, no server is reachable; sysctl -w net.ipv4.neigh.default.gc_thresh3=2048",
			slices.Concat(addresses(769, near), addresses(10, near6), addresses(10, routed))},
		{"of IPv6", "net.ipv6.neigh.default.gc_thresh3", "sysctl -w net.ipv6.neigh.default.gc_thresh3=4096", addresses(1025, near6)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			limit, unknown := 1024, error(nil)
			f.machine.NeighbourLimit = func(bool) (int, error) { return limit, unknown }
			f.write(f.crowd(tc.servers))
			d, _ := f.start()
			told := func() (all []api.Warning) {
				for _, w := range d.Status().Warnings {
					if w.Kind == "neighbours" {
						all = append(all, w)
					}
				}
				return all
			}
			switch all := told(); {
			case tc.subject == "" && len(all) > 0:
				t.Errorf("told: %+v", all)
			case tc.subject != "" && (len(all) != 1 || all[0].Severity != "warning" || all[0].Subject != tc.subject || !strings.Contains(all[0].Text, tc.text)):
				t.Errorf("told %+v, not %s of %s", all, tc.text, tc.subject)
			}
			if tc.subject != "" && !strings.Contains(f.log.String(), tc.text) {
				t.Errorf("the log lacks it: %s", f.log)
			}
			limit = 4096
			if all := told(); len(all) > 0 {
				t.Errorf("there is room, and told still: %+v", all)
			}
			limit, unknown = 0, errors.New("no such file")
			if all := told(); len(all) > 0 {
				t.Errorf("the room is not known, and told: %+v", all)
			}
			f.write(f.both("eth0", "web"))
			limit, unknown = 1024, nil
			if err := d.Reload(t.Context()); err != nil || len(told()) > 0 {
				t.Errorf("the servers are gone (%v) and told still: %+v", err, told())
			}
		})
	}
}
