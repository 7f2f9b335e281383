package plan_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/vrrp"
)

// TestProblems: what this machine has against an instance is said before it is run,
// though nothing else would change; leftovers of usher's own are no problem.
func TestProblems(t *testing.T) {
	web, owner := instance("web", 100, "192.0.2.1/32", "192.0.2.2/32"), instance("owner", vrrp.OwnerPriority, "192.0.2.3/32")
	web.Addresses[1].Interface = "eth7"
	c := &conf.Config{Instances: []conf.Instance{web, owner}}
	local := func(prefix string, marked bool, lifetime time.Duration) vrrp.LocalAddress {
		return vrrp.LocalAddress{Interface: "eth0", Prefix: netip.MustParsePrefix(prefix), Marked: marked, Lifetime: lifetime}
	}
	for _, set := range []struct {
		here plan.Here
		want []string
	}{
		{plan.Here{Interfaces: []string{"eth0", "eth7"}}, nil},
		{plan.Here{Interfaces: []string{"eth0"}}, []string{"! instance web would be in fault: interface eth7 is not there"}},
		{plan.Here{Interfaces: []string{"eth0", "eth7"}, Addresses: []vrrp.LocalAddress{local("192.0.2.1/24", false, 0), local("192.0.2.3/24", false, 0)}},
			[]string{"! instance web would be in fault: 192.0.2.1/24 is on eth0 already and usher did not put it there: "}},
		{plan.Here{Interfaces: []string{"eth0", "eth7"}, Addresses: []vrrp.LocalAddress{local("192.0.2.1/24", false, time.Hour)}}, // by DHCP
			[]string{"! instance web would be in fault: 192.0.2.1/24 is on eth0 already"}},
		{plan.Here{Interfaces: []string{"eth0", "eth7"}, Addresses: []vrrp.LocalAddress{
			local("192.0.2.1/32", true, 0), local("192.0.2.1/32", false, 2*time.Second), local("192.0.2.9/32", false, 0)}}, nil},
		{plan.Here{Interfaces: []string{"eth0", "eth7"}, Addresses: []vrrp.LocalAddress{local("192.0.2.2/32", false, 0)}},
			[]string{"! instance web: 192.0.2.2/32 is on eth0 as well and usher did not put it there: this machine answers ARP for it on eth7 whoever is active: "}},
		{plan.Here{Interfaces: []string{"eth0", "eth7"}, Addresses: []vrrp.LocalAddress{local("192.0.2.2/32", false, 0)}, AnswersARP: func(name string) bool { return name != "eth7" }}, nil},
	} {
		if set.here.AnswersARP == nil {
			set.here.AnswersARP = func(string) bool { return true }
		}
		p := plan.Compare(c, c)
		p.AddProblems(c, set.here)
		got := strings.Split(strings.TrimSuffix(p.String(), "No change.\n"), "\n")
		got = slices.DeleteFunc(got, func(s string) bool { return s == "" || s == "Problems" || s == "Warnings" })
		if len(got) != len(set.want) || len(got) > 0 && !strings.Contains(got[0], set.want[0]) {
			t.Errorf("%+v: %q, want %q", set.here, got, set.want)
		}
	}
}
