package plan_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/director"
	"usher/vrrp"
)

func instance(name string, priority uint8, addresses ...string) conf.Instance {
	c := vrrp.Config{Name: name, Interface: "eth0", VRID: 51, Priority: priority}
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix(a)})
	}
	return conf.Instance{Config: c}
}

func lines(p plan.Plan) []string {
	var all []string
	for _, c := range slices.Concat(p.VRRP, p.Addresses) {
		all = append(all, c.String())
	}
	return all
}

func TestCompare(t *testing.T) {
	a := &conf.Config{
		Instances: []conf.Instance{instance("web", 100, "192.0.2.1/32", "192.0.2.2/32"), instance("old", 100, "192.0.2.9/32")},
		Groups:    []conf.Group{{Group: vrrp.Group{Name: "g", Instances: []string{"web"}}}},
	}
	b := &conf.Config{
		Instances: []conf.Instance{instance("web", 150, "192.0.2.2/32", "192.0.2.3/32"), instance("new", 100)},
		Groups:    []conf.Group{{Group: vrrp.Group{Name: "g", Instances: []string{"web", "new"}}}},
	}
	got := lines(plan.Compare(b, a))
	want := []string{
		"~ instance web: priority 100 -> 150, addresses; may hand the addresses over",
		"+ instance new",
		"- instance old",
		"~ group g: instances",
		"+ 192.0.2.3/32 dev eth0 (web)",
		"- 192.0.2.1/32 dev eth0 (web) ! drops connections while this director is active",
		"- 192.0.2.9/32 dev eth0 (old) ! drops connections while this director is active",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if p := plan.Compare(a, a); !p.Empty() || p.String() != "No change.\n" {
		t.Errorf("a configuration differs from itself: %s", p)
	}
	if got := lines(plan.Compare(a, nil)); len(got) != 6 || got[0] != "+ instance web" || got[2] != "+ group g" {
		t.Errorf("from nothing: %q", got)
	}
}

func TestText(t *testing.T) {
	p := plan.Compare(&conf.Config{Instances: []conf.Instance{instance("web", 100, "192.0.2.1/32")}}, nil)
	p.IPVS.Changes = []director.Change{{Action: director.ActionRemove, Kind: "real_server", VirtualServer: "web", Service: "tcp 192.0.2.1:80",
		RealServer: netip.MustParseAddrPort("10.0.0.1:80"), Drops: true, Connections: 7}}
	want := `IPVS
  web tcp 192.0.2.1:80
    - real_server 10.0.0.1:80 ! drops connections (7 now)
VRRP
  + instance web
Addresses
  + 192.0.2.1/32 dev eth0 (web)

3 to change, 1 of them drop connections.
`
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestEffects: a plan says which changes of an instance drop connections, by the table
// that a reload goes by.
func TestEffects(t *testing.T) {
	was := instance("web", 100, "192.0.2.1/32")
	for want, change := range map[string]func(*vrrp.Config){
		"~ instance web: virtual_router_id 51 -> 52; resigns and is elected anew, as another virtual router ! drops connections while this director is active": func(c *vrrp.Config) { c.VRID = 52 },
		"~ instance web: virtual_mac false -> true; resigns and is elected anew, as another virtual router ! drops connections while this director is active":  func(c *vrrp.Config) { c.VirtualMAC = true },
		"~ instance web: password; two directors are active until the others have it as well ! drops connections while this director is active":                func(c *vrrp.Config) { c.Password = "x" },
		"~ instance web: preempt false -> true; may hand the addresses over":                                                                                   func(c *vrrp.Config) { c.Preempt = true },
		"~ instance web: accept false -> true":           func(c *vrrp.Config) { c.Accept = true },
		"~ instance web: source4 not given -> 192.0.2.9": func(c *vrrp.Config) { c.Source4 = netip.MustParseAddr("192.0.2.9") },
		"~ instance web: lease 0s -> 4s":                 func(c *vrrp.Config) { c.Lease = 4 * time.Second },
	} {
		now := was
		change(&now.Config)
		p := plan.Compare(&conf.Config{Instances: []conf.Instance{now}}, &conf.Config{Instances: []conf.Instance{was}})
		if got := lines(p); len(got) != 1 || got[0] != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if drops := strings.Contains(want, "!"); (p.Drops() == 1) != drops {
			t.Errorf("%s: %d drop connections", want, p.Drops())
		}
	}
}
