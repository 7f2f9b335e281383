package ipvs

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// What TestDirectorsBehindARouter is run with: `make flows` has more of everything.
var (
	routerProgram = flag.String("router", "bird", "what the router runs: "+strings.Join(lab.RouterPrograms, ", "))
	forwardMethod = flag.String("forward", "dr", "forward method: dr, tun")
	scheduler     = flag.String("scheduler", "mh", "scheduler: mh; another one is run with synchronisation")
	flowCount     = flag.Int("flows", 40, "how many connections last")
	flowRate      = flag.Int("rate", 20, "how many are opened in each second beside them")
	interval      = flag.Duration("bfd", time.Second, "interval of BFD; an emulated machine stands still for seconds at times")
	everything    = flag.Bool("everything", false, "IPv6, too, and every event")
)

const announcingHead = `
global {
  http = ""
  %[2]s
}
bgp {
  asn       = 65001
  router_id = "%[1]s"
  dynamic "peer" {
    for_each = [%[3]s]
    labels   = [peer.value]
    content {
      asn       = 65000
      hold_time = "9s"
      bfd { min_tx = "%[4]s" }
    }
  }
}
announce "web" {
  addresses     = [%[5]s]
  up_delay      = "%[6]s"
  drain_timeout = "1s"
  linger        = "2s"
}
`

const announcingPool = `
virtual_server "%s" {
  address        = "%s"
  %s
  forward_method = "%s"
  health_check "http" {
    path    = "/healthz"
    timeout = "10s" # a busy machine is no dead server, and one that one director has alone loses flows
  }
  dynamic "real_server" {
    for_each = [%s]
    labels   = [real_server.value]
    content {}
  }
}
`

// fleet is a fabric whose directors run usher, and the flows through it.
type fleet struct {
	*lab.Lab
	t        *testing.T
	services []netip.AddrPort
	ushers   []*lab.Process // by the director's number
	spreads  []*lab.Spread  // of the services
	flows    *lab.Flows
	step     time.Duration
	place    map[string]string // which director carries each flow
}

// newFleet has everything run but the directors.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{Lab: suite.Routed(t, *forwardMethod), t: t, services: []netip.AddrPort{lab.Announced}}
	if *everything {
		f.services = append(f.services, lab.Announced6)
	}
	// As many questions a second as an emulated machine answers.
	f.step = max(500*time.Millisecond, time.Duration(*flowCount)*time.Second/300)
	f.ushers = make([]*lab.Process, len(f.Fabric))
	labtest.Must(t, f.Route(t.Context(), *routerProgram, *interval))
	file := f.file(0, len(f.Real))
	var g errgroup.Group
	for i, rs := range f.Real {
		if i == len(lab.RIPs) && !*everything {
			break // the one more is not asked for
		}
		g.Go(func() error {
			_, err := rs.Web(t.Context())
			return errors.Join(err, rs.HoldVIP(t.Context(), file))
		})
	}
	labtest.Must(t, g.Wait())
	for _, s := range f.services {
		spread, err := f.Router.Spread(s.Addr())
		labtest.Must(t, err)
		t.Cleanup(spread.Stop)
		f.spreads = append(f.spreads, spread)
	}
	return f
}

// file writes the configuration of a director, with so many real servers.
func (f *fleet) file(director, servers int) string {
	f.t.Helper()
	how, sync, delay := "scheduler = \"mh\"\n  scheduler_flags = [\"mh-port\", \"mh-fallback\"]", "", "2s"
	if *scheduler != "mh" {
		// Who comes is told of all connections within 10 s, net.ipv4.vs.sync_refresh_period.
		how, sync, delay = fmt.Sprintf("scheduler = %q", *scheduler), "ipvs {\n    sync { interface = \"eth1\" }\n  }", "12s"
	}
	peers, addresses, pools := []string{"192.168.60.254", "fd00:60::254"}, "", ""
	for i, s := range f.services {
		addresses += fmt.Sprintf("%q, ", netip.PrefixFrom(s.Addr(), s.Addr().BitLen()))
		reals := ""
		for n := range servers {
			rip := append(slices.Clone(lab.RIPs), lab.FourthRIP)[n]
			if i > 0 {
				rip = netip.MustParseAddr(fmt.Sprintf("fd00:10::%d", 11+n))
			}
			reals += fmt.Sprintf("%q, ", netip.AddrPortFrom(rip, s.Port()))
		}
		pools += fmt.Sprintf(announcingPool, []string{"web", "web6"}[i], s, how, f.Forward, reals)
	}
	head := fmt.Sprintf(announcingHead, lab.FabricAddr(director), sync, `"`+strings.Join(peers[:len(f.services)], `", "`)+`"`, *interval, addresses, delay)
	return labtest.File(f.t, f.Fabric[director], "usher.hcl", head+pools)
}

// start starts directors by their numbers.
func (f *fleet) start(directors ...int) {
	f.t.Helper()
	var g errgroup.Group
	for _, i := range directors {
		file := f.file(i, 3)
		g.Go(func() (err error) {
			f.ushers[i], err = f.Fabric[i].RunUsher(f.t.Context(), "-c", file)
			return err
		})
	}
	labtest.Must(f.t, g.Wait())
}

// open opens the flows.
func (f *fleet) open() {
	f.t.Helper()
	var err error
	f.flows, err = f.Client.Flows(f.services, *flowCount, f.step)
	labtest.Must(f.t, err)
	f.t.Cleanup(f.flows.Stop)
	f.place, _, err = f.Carriers(f.flows.Open(), nil)
	labtest.Must(f.t, err)
}

// spread awaits that every service is spread over so many directors, and says since when
// it is.
func (f *fleet) spread(over int) (since []time.Time) {
	f.t.Helper()
	for _, s := range f.spreads {
		at, err := s.Await(f.t.Context(), over)
		labtest.Must(f.t, err)
		since = append(since, at)
	}
	return since
}

// event does something, after which flows are spread over so many directors, and tells what
// came of them. Where a director decides on it, word is what it calls its announcements then.
func (f *fleet) event(name string, over int, director *lab.Node, word string, do func()) {
	t := f.t
	t.Helper()
	var loads []*lab.Load
	for _, s := range f.services {
		pace := 100 * time.Millisecond
		clients := max(1, *flowRate*int(pace/time.Millisecond)/1000/len(f.services))
		loads = append(loads, f.Client.Load(s, clients, pace, lab.Page))
	}
	begun := time.Now()
	do()
	after := ""
	for i, since := range f.spread(over) {
		if since.Before(begun) {
			after += " unchanged"
			continue
		}
		after += " " + since.Sub(begun).Round(time.Millisecond).String()
		if word != "" {
			after += fmt.Sprintf(" (%s after the decision)", since.Sub(f.decided(director, f.services[i].Addr(), word, begun)).Round(100*time.Microsecond))
		}
	}
	// Each flow finds its way, and its former entry grows older.
	labtest.Must(t, f.flows.Answered(t.Context(), 1+int((2500*time.Millisecond+f.step-1)/f.step)))
	now, moved, err := f.Carriers(f.flows.Open(), f.place)
	labtest.Must(t, err)
	f.place = now
	open, lost, switched := f.flows.Stand()
	t.Logf("%s %s %s: %s: the router's table changed after%s; %d of %d flows moved, %d lost, %d saw another server",
		*routerProgram, f.Forward, *scheduler, name, after, moved, open, len(lost), switched)
	for i, l := range loads {
		missed, story := l.Stop()
		t.Logf("  new ones to %s: %s", f.services[i].Addr(), story)
		if missed > 0 {
			t.Errorf("%s: %d new connections to %s were lost", name, missed, f.services[i])
		}
	}
	if len(lost) > 0 || switched > 0 {
		slices.Sort(lost)
		t.Fatalf("%s: lost flows: %s", name, strings.Join(slices.Compact(lost), "; "))
	}
}

// decided is when a director called its announcement of an address so.
func (f *fleet) decided(n *lab.Node, address netip.Addr, word string, since time.Time) time.Time {
	f.t.Helper()
	body, err := n.Control(f.t.Context(), "/api/v1/events")
	labtest.Must(f.t, err)
	var all struct {
		Events []struct {
			Time         time.Time
			Kind         string
			Announcement string
			Prefix       string
			To           string
		}
	}
	labtest.Must(f.t, json.Unmarshal(body, &all))
	for _, e := range all.Events {
		if e.Prefix == netip.PrefixFrom(address, address.BitLen()).String() && e.To == word && e.Time.After(since) {
			return e.Time
		}
	}
	f.t.Fatalf("%s has not told of %s that it is %s: %s", n.Name, address, word, body)
	return time.Time{}
}

// usher runs a command on a director.
func (f *fleet) usher(n *lab.Node, args ...string) {
	f.t.Helper()
	_, err := n.Usher(f.t.Context(), args...)
	labtest.Must(f.t, err)
}

// TestDirectorsBehindARouter: several directors announce one address to a router, which
// spreads flows over them. No flow is lost when one of them goes: planned, killed, or with
// its power; nor when it comes back, nor with one more.
func TestDirectorsBehindARouter(t *testing.T) {
	f := newFleet(t)
	b, c, d := f.Fabric[1], f.Fabric[2], f.Fabric[3]
	f.start(0, 1, 2, 3)
	f.spread(4)
	f.open()
	f.event("maintenance on", 3, d, "draining", func() { f.usher(d, "maintenance", "on") })
	f.event("SIGKILL", 2, nil, "", func() { labtest.Must(t, f.ushers[2].Kill()) })
	f.event("a killed director back", 3, c, "announced", func() { f.start(2) })
	if !*everything {
		return
	}
	f.event("maintenance off", 4, d, "announced", func() { f.usher(d, "maintenance", "off") })
	f.event("power loss", 3, nil, "", func() { labtest.Must(t, f.Power(b, false)) })
	f.event("power back", 4, nil, "", func() { labtest.Must(t, f.Power(b, true)) })
	f.event("one more director", 5, f.Fabric[4], "announced", func() { f.start(4) })
	f.event("SIGTERM", 4, nil, "", func() { labtest.Must(t, f.ushers[0].Stop()) })
	// The last one: a flow that mh would not send to the same server now, and that moves
	// later, would not find its server.
	f.event("a server more", 4, nil, "", func() {
		for i := 1; i < len(f.Fabric); i++ {
			f.file(i, 4)
			f.usher(f.Fabric[i], "reload")
		}
	})
	labtest.Must(t, d.AwaitServers(t.Context(), "web", "up", "10.1.2.3:80", "10.1.3.8:80", "10.1.4.5:80", "10.1.5.13:80"))
}
