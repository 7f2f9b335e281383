package discover_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/director"
	"usher/director/discover"
	"usher/director/ipvs"
)

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func server(i, port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(port))
}

// service is a virtual server with some servers written down.
func service(forward director.Forward, written ...int) director.VirtualServer {
	vs := director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))},
		Service: ipvs.Service{Scheduler: "rr", Netmask: 32}, Forward: forward, Quorum: 1, OnFailure: director.Remove, Discovered: true,
	}
	for _, i := range written {
		vs.Real = append(vs.Real, director.RealServer{Address: server(i, 80), Weight: 1, Forward: forward})
	}
	return vs
}

func dnsSource(name string) discover.Source {
	return discover.Source{
		Kind: discover.KindDNS, Name: "dns " + name, Weight: 1, Interval: 30 * time.Second, MinInterval: time.Second, Timeout: time.Second,
		MaxServers: 100, MaxLeave: 0.5, DNS: &discover.DNS{Name: name, Type: "A"},
	}
}

func pool(vs director.VirtualServer, sources ...discover.Source) *discover.Pool {
	return discover.NewPool(discover.Config{Server: vs, Sources: sources, Default: director.RealServer{Forward: vs.Forward}})
}

// list is an answer with some servers of no port and no weight.
func list(servers ...int) discover.Answer {
	var a discover.Answer
	for _, i := range servers {
		a.Entries = append(a.Entries, discover.Entry{Address: server(i, 0), Weight: discover.NoWeight})
	}
	return a
}

func addresses(p *discover.Pool) (all []string) {
	for _, s := range p.Servers() {
		all = append(all, s.Address.String())
	}
	return all
}

func expect(t *testing.T, p *discover.Pool, want ...int) {
	t.Helper()
	var text []string
	for _, i := range want {
		text = append(text, server(i, 80).String())
	}
	if got := addresses(p); !slices.Equal(got, text) {
		t.Fatalf("servers %v, expected %v", got, text)
	}
}

// kinds are the kinds of events, without their texts.
func kinds(events []discover.Event) (all []discover.EventKind) {
	for _, e := range events {
		all = append(all, e.Kind)
	}
	return all
}

func TestFailureChangesNothing(t *testing.T) {
	p := pool(service(director.NAT), dnsSource("web.example"))
	p.Step(0, list(1, 2, 3), begin)
	for i, a := range []discover.Answer{
		discover.Fail(discover.ReasonNXDomain, "NXDOMAIN"),
		{}, // empty, and not allowed
		{Ignored: []discover.Ignored{{Entry: "web1", Why: "no address"}}},
		list(slices.Collect(func(yield func(int) bool) {
			for i := range 101 {
				if !yield(i) {
					return
				}
			}
		})...),
	} {
		out := p.Step(0, a, begin.Add(time.Minute))
		if out.Changed || !slices.Equal(kinds(out.Events), []discover.EventKind{discover.EventFailed}) {
			t.Errorf("answer %d: %+v", i, out)
		}
		expect(t, p, 1, 2, 3)
	}
	set := p.Sets()[0]
	want := map[discover.Reason]uint64{discover.ReasonNXDomain: 1, discover.ReasonEmpty: 1, discover.ReasonUnusable: 1, discover.ReasonTooMany: 1}
	if !maps.Equal(set.Errors, want) || !set.Confirmed.Equal(begin) {
		t.Errorf("errors %v, confirmed %v", set.Errors, set.Confirmed)
	}
	out := p.Step(0, list(1, 2, 3), begin.Add(2*time.Minute))
	if out.Changed || !slices.Equal(kinds(out.Events), []discover.EventKind{discover.EventRecovered}) || p.Sets()[0].Failure != nil {
		t.Errorf("recovery: %+v", out)
	}
}

// A failure that goes on is told once.
func TestFailureIsToldOnce(t *testing.T) {
	p := pool(service(director.NAT), dnsSource("web.example"))
	told := 0
	for range 5 {
		told += len(p.Step(0, discover.Fail(discover.ReasonTimeout, "no answer"), begin).Events)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestEmptyIsObeyedWhereAllowed(t *testing.T) {
	s := dnsSource("web.example")
	s.AllowEmpty, s.MaxLeave = true, 1
	p := pool(service(director.NAT), s)
	p.Step(0, list(1, 2), begin)
	if out := p.Step(0, discover.Answer{}, begin); !out.Changed {
		t.Error("not obeyed")
	}
	expect(t, p)
}

// Half of the pool, the written servers included, may leave by one answer; the rest by the
// next ones.
func TestMaxLeave(t *testing.T) {
	p := pool(service(director.NAT, 100), dnsSource("web.example"))
	p.Step(0, list(1, 2, 3, 4, 5, 6, 7, 8, 9), begin)
	out := p.Step(0, list(20), begin)
	if !slices.Contains(kinds(out.Events), discover.EventHeld) {
		t.Errorf("it is not said: %v", out.Events)
	}
	expect(t, p, 6, 7, 8, 9, 20) // of 10 there were, 5 left
	p.Step(0, list(20), begin)
	expect(t, p, 9, 20)
	if out := p.Step(0, list(20), begin); slices.Contains(kinds(out.Events), discover.EventHeld) || len(p.Sets()[0].Held) > 0 {
		t.Errorf("the last of them: %v", out.Events)
	}
	expect(t, p, 20)
	p.Step(0, list(21), begin) // one may always leave
	expect(t, p, 21)
}

func TestNobodyLeavesWithMaxLeave0(t *testing.T) {
	s := dnsSource("web.example")
	s.MaxLeave = 0
	p := pool(service(director.NAT), s)
	p.Step(0, list(1, 2), begin)
	p.Step(0, list(3), begin)
	expect(t, p, 1, 2, 3)
}

// dr cannot change the port: who has another is left out, and the others are taken.
func TestPortRule(t *testing.T) {
	p := pool(service(director.DR), dnsSource("web.example"))
	out := p.Step(0, discover.Answer{Entries: []discover.Entry{
		{Address: server(1, 80), Weight: 5}, {Address: server(2, 8080), Weight: discover.NoWeight},
		{Address: server(3, 8080), Weight: discover.NoWeight, Forward: director.NAT}, {Address: netip.MustParseAddrPort("[2001:db8::1]:80")},
		{Address: netip.MustParseAddrPort("224.0.0.1:0")},
	}}, begin)
	if got := addresses(p); !slices.Equal(got, []string{"10.0.0.1:80", "10.0.0.3:8080"}) {
		t.Errorf("servers %v", got)
	}
	want := []discover.Ignored{
		{Entry: "10.0.0.2:8080", Why: "dr cannot change the port: the service has port 80, the real server 8080"},
		{Entry: "224.0.0.1", Why: "224.0.0.1 is no address that a server can have"},
		{Entry: "[2001:db8::1]:80", Why: "it is of another address family than the service tcp 192.0.2.1:80, which only tun can do"},
	}
	if diff := cmp.Diff(want, p.Sets()[0].Ignored); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(kinds(out.Events), []discover.EventKind{discover.EventChanged, discover.EventLeftOut, discover.EventLeftOut, discover.EventLeftOut}) {
		t.Errorf("events %v", out.Events)
	}
	// Where that is all that is listed, the answer is none.
	if out := p.Step(0, discover.Answer{Entries: []discover.Entry{{Address: server(9, 81)}}}, begin); out.Changed || p.Sets()[0].Failure.Reason != discover.ReasonUnusable {
		t.Errorf("%+v", out)
	}
}

func TestDefaultsOfASource(t *testing.T) {
	s := dnsSource("web.example")
	s.Port, s.Weight, s.Forward = 8080, 7, director.FullNAT
	p := pool(service(director.NAT), s)
	p.Step(0, discover.Answer{Entries: []discover.Entry{{Address: server(1, 0), Weight: discover.NoWeight}, {Address: server(2, 81), Weight: 0, Forward: director.NAT}}}, begin)
	want := []discover.Server{
		{RealServer: director.RealServer{Address: server(1, 8080), Weight: 7, Forward: director.FullNAT}},
		{RealServer: director.RealServer{Address: server(2, 81), Weight: 0, Forward: director.NAT}},
	}
	if diff := cmp.Diff(want, p.Servers(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// What is written down is what is written; of two sources the first has a server, and the
// second takes it over when the first no longer lists it.
func TestDuplicates(t *testing.T) {
	p := pool(service(director.NAT, 1), dnsSource("a.example"), dnsSource("b.example"))
	p.Step(0, list(1, 2), begin)
	p.Step(1, list(1, 2, 3), begin)
	expect(t, p, 2, 3)
	if len(p.Sets()[0].Ignored)+len(p.Sets()[1].Ignored) > 0 {
		t.Error("a server that is there already is no fault")
	}
	if out := p.Step(0, list(1), begin); len(out.Events) > 0 {
		t.Errorf("a server that another source lists, too, has not left: %v", out.Events)
	}
	expect(t, p, 2, 3)
	if p.Servers()[0].Source != 1 {
		t.Error("it is not the second's")
	}
}

// Priorities of SRV become ranks of the source, beside written servers and other sources.
func TestPriorities(t *testing.T) {
	p := pool(service(director.NAT), dnsSource("web.example"))
	p.Step(0, discover.Answer{Entries: []discover.Entry{
		{Address: server(1, 80), Weight: 1, Priority: 20}, {Address: server(2, 80), Weight: 1, Priority: 10}, {Address: server(3, 80), Weight: 1, Priority: 30},
	}}, begin)
	var ranks []int
	for _, s := range p.Servers() {
		ranks = append(ranks, s.Priority)
	}
	if !slices.Equal(ranks, []int{1, 0, 2}) {
		t.Errorf("ranks %v", ranks)
	}
}

func TestReloadKeepsSetsAndLeavesNoGap(t *testing.T) {
	vs := service(director.NAT)
	a, b := dnsSource("a.example"), dnsSource("b.example")
	a.Weight = 9
	p := pool(vs, a, b)
	p.Step(0, list(1, 2), begin)
	p.Step(1, list(3), begin)
	c := dnsSource("c.example")
	b.Interval = time.Minute
	p.Update(discover.Config{Server: vs, Sources: []discover.Source{c, b}, Default: director.RealServer{Forward: vs.Forward}})
	expect(t, p, 1, 2, 3)
	if s := p.Servers()[0]; s.Weight != 9 || !p.Sets()[0].Borrowed || p.Sets()[1].Borrowed {
		t.Errorf("%+v", p.Sets())
	}
	p.Step(0, discover.Fail(discover.ReasonTimeout, "no answer"), begin)
	expect(t, p, 1, 2, 3)
	p.Step(0, list(2, 4), begin)
	expect(t, p, 2, 4, 3)
	p.Update(discover.Config{Server: vs, Sources: []discover.Source{b}, Default: director.RealServer{Forward: vs.Forward}})
	expect(t, p, 3) // a source that nobody replaces takes its servers along
}

func TestStoredSetsServeWithoutTheirSource(t *testing.T) {
	vs := service(director.NAT)
	p := pool(vs, dnsSource("a.example"), dnsSource("b.example"))
	p.Step(0, list(1, 2, 3, 4), begin)
	p.Step(0, list(9), begin)
	p.Step(1, list(5), begin)
	text, err := json.Marshal(p.Stored())
	if err != nil {
		t.Fatal(err)
	}
	var stored discover.Stored
	if err := json.Unmarshal(text, &stored); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "a.example") {
		t.Error("the state folder shows what may be secret")
	}
	q := pool(vs, dnsSource("a.example"), dnsSource("b.example"))
	q.Restore(stored)
	if !slices.Equal(p.Servers(), q.Servers()) || !q.Sets()[0].Confirmed.Equal(begin) {
		t.Errorf("%v, expected %v", q.Servers(), p.Servers())
	}
	r := pool(vs, dnsSource("a.example"), dnsSource("renamed.example"))
	r.Restore(stored)
	expect(t, r, 3, 4, 9, 5)
	if !r.Sets()[1].Borrowed {
		t.Error("the source of another name does not have them only until it answers")
	}
}
