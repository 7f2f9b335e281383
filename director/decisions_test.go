package director_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// each goes through virtual servers.
func each(servers ...director.VirtualServer) func(func(*director.VirtualServer) bool) {
	return func(yield func(*director.VirtualServer) bool) {
		for i := range servers {
			if !yield(&servers[i]) {
				return
			}
		}
	}
}

// held is a table of one service with servers of the weights given.
func held(weights ...uint32) ipvs.Table {
	e := ipvs.Entry{Service: ipvs.Service{Scheduler: "rr", Netmask: 32}, Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
	for n, w := range weights {
		e.Destinations[ipvstest.Dest(n)] = ipvs.Destination{Weight: w}
	}
	return ipvs.Table{ipvstest.Key(0): e}
}

// TestDrift: each difference is told once, and that of a service that is gone for all of its
// servers.
func TestDrift(t *testing.T) {
	other := held(1, 1)
	e := other[ipvstest.Key(0)]
	e.Service.Scheduler = "sh"
	other[ipvstest.Key(0)] = e
	for want, c := range map[string]struct{ left, found ipvs.Table }{
		"": {held(1, 2), held(1, 2)},
		"10.0.0.2:80 was removed from tcp 192.0.2.1:80 by somebody else":            {held(1, 2), held(1)},
		"10.0.0.3:80 was added to tcp 192.0.2.1:80 by somebody else":                {held(1, 2), held(1, 2, 3)},
		"10.0.0.2:80 in tcp 192.0.2.1:80 was edited by somebody else: nat weight 7": {held(1, 2), held(1, 7)},
		"service tcp 192.0.2.1:80 was edited by somebody else: sh":                  {held(1, 1), other},
		"service tcp 192.0.2.1:80 was removed by somebody else":                     {held(1, 2), ipvs.Table{}},
	} {
		told := ""
		for _, e := range director.Drift(c.left, c.found, func(ipvs.ServiceKey) string { return "web" }, time.Unix(9, 0)) {
			told += e.Reason
			if e.From != "" {
				told += ": " + e.From
			}
			if e.Kind != director.EventDrift || e.VirtualServer != "web" || !e.Time.Equal(time.Unix(9, 0)) {
				t.Errorf("%+v", e)
			}
		}
		if told != want {
			t.Errorf("told %q, want %q", told, want)
		}
	}
}

// TestRetired: a service that is no longer configured has no new connections, and is there
// until it has none or its time is over. A copy goes its own way.
func TestRetired(t *testing.T) {
	now, key := time.Unix(1000, 0), ipvstest.Key(0)
	for name, was := range map[string]*director.VirtualServer{"known": {Name: "web", DrainTimeout: time.Hour}, "of an earlier run": nil} {
		t.Run(name, func(t *testing.T) {
			r := director.Retire("web", held(1, 1)[key], was, now)
			wants := func(r *director.Retired, want ...uint32) {
				t.Helper()
				got := ipvs.Table{}
				there := r.Want(got, key)
				var weights []uint32
				for _, dest := range slices.SortedFunc(maps.Keys(got[key].Destinations), ipvs.DestinationKey.Compare) {
					weights = append(weights, got[key].Destinations[dest].Weight)
				}
				if there != (len(want) > 0) || !slices.Equal(weights, want) {
					t.Errorf("wants %v, %t; want %v", weights, there, want)
				}
			}
			busy := ipvs.CounterTable{key: {Destinations: map[ipvs.DestinationKey]ipvs.Counters{ipvstest.Dest(0): {Active: 1}}}}
			wants(r, 0, 0)
			before := r.Clone()
			r.Observe(key, busy, now)
			wants(r, 0)
			wants(before, 0, 0)
			timeout := director.DefaultDrain
			if was != nil {
				timeout = was.DrainTimeout
			}
			r.Observe(key, busy, now.Add(timeout-1))
			wants(r, 0)
			r.Observe(key, busy, now.Add(timeout))
			wants(r)
		})
	}
}

// TestSysctls: what the settings give, and what servers cannot work without.
func TestSysctls(t *testing.T) {
	yes, no, two := true, false, 2
	dr, nat6 := pool(1), pool(1)
	dr.Real[0].Forward = director.DR
	nat6.Real[0].Address = netip.MustParseAddrPort("[2001:db8::1]:80")
	probed, full := dr, pool(1)
	probed.Real = slices.Clone(dr.Real)
	probed.Real[0].ProbeMark = 1
	full.Real[0].Forward = director.FullNAT
	for name, c := range map[string]struct {
		s       director.Settings
		servers []director.VirtualServer
		want    map[string]string
	}{
		"nothing":  {director.Settings{}, nil, map[string]string{}},
		"given":    {director.Settings{ExpireNodestConn: &yes, SloppyTCP: &no, ConnReuseMode: &two}, nil, map[string]string{"net.ipv4.vs.expire_nodest_conn": "1", "net.ipv4.vs.sloppy_tcp": "0", "net.ipv4.vs.conn_reuse_mode": "2"}},
		"dr":       {director.Settings{}, []director.VirtualServer{dr}, map[string]string{}},
		"probed":   {director.Settings{}, []director.VirtualServer{probed}, map[string]string{"net.ipv4.conf.all.accept_local": "1"}},
		"nat":      {director.Settings{}, []director.VirtualServer{pool(2)}, map[string]string{"net.ipv4.ip_forward": "1"}},
		"both":     {director.Settings{}, []director.VirtualServer{pool(1), nat6}, map[string]string{"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}},
		"full nat": {director.Settings{Conntrack: &no}, []director.VirtualServer{full}, map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.vs.conntrack": "1"}},
	} {
		if got := c.s.Sysctls(each(c.servers...)); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	s := director.Settings{TCPTimeout: time.Hour, UDPTimeout: 1500 * time.Millisecond}
	if got := s.Timeouts(ipvs.Timeouts{TCP: 1, TCPFin: 2, UDP: 3}); got != (ipvs.Timeouts{TCP: 3600, TCPFin: 2, UDP: 2}) {
		t.Errorf("timeouts %+v", got)
	}
}

// TestSNATRules: a rule for each service of fullnat, sorted, without the servers that the
// service has by nat.
func TestSNATRules(t *testing.T) {
	full := pool(3)
	full.Keys = []ipvs.ServiceKey{ipvstest.Key(1), ipvstest.Key(0)}
	full.SNAT = []netip.Prefix{netip.MustParsePrefix("10.0.0.100/32")}
	full.Real[0].Forward = director.FullNAT
	full.Real[2].Address = netip.MustParseAddrPort("10.0.0.3:0") // the service's own port
	plain := pool(1)
	plain.Keys = []ipvs.ServiceKey{ipvstest.Key(2)}
	except := []netip.AddrPort{server(1), server(2)}
	want := []director.SNATRule{{Service: ipvstest.Key(0), Pool: full.SNAT, Except: except}, {Service: ipvstest.Key(1), Pool: full.SNAT, Except: except}}
	got := director.SNATRules(each(plain, full))
	if !slices.EqualFunc(got, want, director.SNATRule.Equal) {
		t.Errorf("rules %+v", got)
	}
	if got[0].Equal(got[1]) {
		t.Error("the rules of two services are the same")
	}
}

// TestForecast: servers of unknown health are said to come in with their checks, those that
// go to be emptied, and what one has to lose is told.
func TestForecast(t *testing.T) {
	now, vs := time.Unix(1000, 0), pool(2)
	have := held(1, 1)
	delete(have[ipvstest.Key(0)].Destinations, ipvstest.Dest(1))
	have[ipvstest.Key(0)].Destinations[ipvstest.Dest(4)] = ipvs.Destination{Weight: 1}
	have[ipvstest.Key(1)] = held(1)[ipvstest.Key(0)]
	have[ipvstest.Key(2)] = held(1)[ipvstest.Key(0)] // somebody else's
	f := director.NewForecast(map[ipvs.ServiceKey]bool{ipvstest.Key(0): true, ipvstest.Key(1): true})
	f.Runs(ipvstest.Key(1), &director.VirtualServer{Name: "old"})
	f.Add(director.NewPool(vs, have, now), now)
	ops, losing := f.Ops(have)
	if !cmp.Equal(losing, []ipvs.ServiceKey{ipvstest.Key(0), ipvstest.Key(1)}, cmpopts.EquateComparable(ipvs.ServiceKey{})) {
		t.Errorf("losing %v", losing)
	}
	counters := ipvs.CounterTable{ipvstest.Key(1): {Destinations: map[ipvs.DestinationKey]ipvs.Counters{ipvstest.Dest(0): {Active: 3, Inactive: 2}}}}
	report := f.Report(ops, counters, nil)
	const want = `web tcp 192.0.2.1:80
  + real_server 10.0.0.2:80 nat weight 1 (once its checks pass)
  - real_server 10.0.0.5:80 nat weight 1 -> nat weight 0 (until its connections are gone, 1 min at the most)
old tcp 192.0.2.2:80
  - service rr ! drops connections (5 now)
`
	if got := fmt.Sprint(report); got != want {
		t.Errorf("report\n%swant\n%s", got, want)
	}
}
