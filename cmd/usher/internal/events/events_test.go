package events_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"usher/cmd/usher/internal/events"
	"usher/director"
	"usher/vrrp"
)

func TestNewestStayInOrder(t *testing.T) {
	r := events.NewRing(3, 0)
	for i := range 5 {
		r.Add(events.Event{Reason: fmt.Sprint(i)})
	}
	list, last, _ := r.List(events.Filter{})
	if last != 5 || len(list) != 3 || list[0].Reason != "2" || list[2].Reason != "4" || list[2].Seq != 5 {
		t.Fatalf("last %d, %+v", last, list)
	}
	if list, _, _ = r.List(events.Filter{Since: 4}); len(list) != 1 || list[0].Seq != 5 {
		t.Errorf("since 4: %+v", list)
	}
	if list, _, _ = r.List(events.Filter{Limit: 1}); len(list) != 1 || list[0].Seq != 5 {
		t.Errorf("limit 1: %+v", list)
	}
}

// TestQuietServerKeepsItsHistory: a flapping server must not wipe out what happened
// to another one.
func TestQuietServerKeepsItsHistory(t *testing.T) {
	r := events.NewRing(10, 0)
	quiet := events.Event{VirtualServer: "web", RealServer: "10.0.0.1:80", Reason: "once"}
	r.Add(quiet)
	for range 100 {
		r.Add(events.Event{VirtualServer: "web", RealServer: "10.0.0.2:80", Reason: "again"})
	}
	list, _, _ := r.List(events.Filter{VirtualServer: "web", RealServer: "10.0.0.1:80"})
	if len(list) != 1 || list[0].Reason != "once" {
		t.Fatalf("quiet: %+v", list)
	}
	for _, f := range []events.Filter{{RealServer: "10.0.0.1:80"}, {VirtualServer: "web", Limit: 21}} {
		list, _, _ := r.List(f)
		if len(list) == 0 || list[0].Reason != "once" || !slices.IsSortedFunc(list, func(a, b events.Event) int { return cmp.Compare(a.Seq, b.Seq) }) {
			t.Fatalf("%+v: %+v", f, list)
		}
	}
	list, _, _ = r.List(events.Filter{VirtualServer: "web", RealServer: "10.0.0.2:80"})
	if len(list) != events.PerServer {
		t.Fatalf("noisy: %d events", len(list))
	}
	r.Forget(func(_ string, rs netip.AddrPort) bool { return rs.String() == "10.0.0.2:80" })
	if list, _, _ = r.List(events.Filter{VirtualServer: "web", RealServer: "10.0.0.1:80"}); len(list) != 0 {
		t.Errorf("forgotten: %+v", list)
	}
}

func TestWaitersWake(t *testing.T) {
	r := events.NewRing(0, 0)
	_, _, more := r.List(events.Filter{})
	select {
	case <-more:
		t.Fatal("woke without an event")
	default:
	}
	r.Add(events.Event{})
	<-more
}

// TestAcrossARestart: who knows the number of the last event of the daemon before
// this one is given all of this one's, also where the clock was put back between.
func TestAcrossARestart(t *testing.T) {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before := events.NewRing(0, events.Numbering(start))
	known := before.Add(events.Event{}).Seq
	for _, again := range []time.Time{start.Add(time.Second), start.Add(-time.Hour)} {
		r := events.NewRing(0, events.Numbering(again))
		for range 3 {
			r.Add(events.Event{})
		}
		list, last, _ := r.List(events.Filter{Since: known})
		if len(list) != 3 || list[2].Seq != last {
			t.Errorf("started %v: %+v, last %d", again, list, last)
		}
		if list, _, _ = r.List(events.Filter{Since: last}); len(list) != 0 {
			t.Errorf("started %v: again %+v", again, list)
		}
	}
}

func TestTranslation(t *testing.T) {
	now := time.Unix(1, 0)
	peer := netip.MustParseAddr("192.0.2.9")
	for _, c := range []struct {
		got, want events.Event
	}{
		{
			events.FromVRRP(vrrp.Event{Time: now, Instance: "web", Kind: vrrp.EventState, From: vrrp.Backup, To: vrrp.Active, Priority: 100, Reason: "silence"}),
			events.Event{Time: now, Severity: events.Info, Kind: "state", Instance: "web", From: "backup", To: "active", Priority: 100, Reason: "silence"},
		},
		{
			events.FromVRRP(vrrp.Event{Time: now, Instance: "web", Kind: vrrp.EventState, From: vrrp.Active, To: vrrp.Fault, Reason: "eth0 is down"}),
			events.Event{Time: now, Severity: events.Error, Kind: "state", Instance: "web", From: "active", To: "fault", Reason: "eth0 is down"},
		},
		{
			events.FromVRRP(vrrp.Event{Time: now, Instance: "web", Kind: vrrp.EventSplitBrain, Peer: peer}),
			events.Event{Time: now, Severity: events.Error, Kind: "split_brain", Instance: "web", Peer: "192.0.2.9"},
		},
		{
			events.FromDirector(director.Event{Time: now, Kind: director.EventServer, VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.0.0.1:80"), From: "up", To: "down", Reason: "refused"}),
			events.Event{Time: now, Severity: events.Warning, Kind: "real_server", VirtualServer: "web", RealServer: "10.0.0.1:80", From: "up", To: "down", Reason: "refused"},
		},
		{
			events.FromDirector(director.Event{Time: now, Kind: director.EventQuorum, VirtualServer: "web", From: "up", To: "down"}),
			events.Event{Time: now, Severity: events.Error, Kind: "virtual_server", VirtualServer: "web", From: "up", To: "down"},
		},
	} {
		if c.got != c.want {
			t.Errorf("got %+v\nwant %+v", c.got, c.want)
		}
	}
}

// TestEventsStandByTime: one of another process that comes a little late stands where it
// happened, and keeps its number.
func TestEventsStandByTime(t *testing.T) {
	r := events.NewRing(0, 0)
	begin := time.Now()
	for _, after := range []int{1, 3, 2, 5, 4} {
		r.Add(events.Event{Time: begin.Add(time.Duration(after) * time.Millisecond), Reason: fmt.Sprint(after)})
	}
	list, _, _ := r.List(events.Filter{})
	var text string
	for _, e := range list {
		text += fmt.Sprintf("%s/%d ", e.Reason, e.Seq)
	}
	if text != "1/1 2/3 3/2 4/5 5/4 " {
		t.Errorf("events stand as %s", text)
	}
	if list, _, _ = r.List(events.Filter{Since: 4}); len(list) != 1 || list[0].Reason != "4" {
		t.Errorf("since 4: %+v", list)
	}
}

// TestFloodOfOneKind leaves what else happened alone.
func TestFloodOfOneKind(t *testing.T) {
	r := events.NewRing(100, 0)
	for i := range 20 {
		r.Add(events.Event{Kind: "state", Reason: fmt.Sprint(i)})
	}
	for range 5000 {
		r.Add(events.Event{Kind: "discard"})
	}
	for i := range 20 {
		r.Add(events.Event{Kind: "state", Reason: fmt.Sprint(20 + i)})
	}
	list, _, _ := r.List(events.Filter{})
	states := 0
	for _, e := range list {
		if e.Kind == "state" {
			if e.Reason != fmt.Sprint(states) {
				t.Errorf("state %d: %+v", states, e)
			}
			states++
		}
	}
	if states != 40 || len(list) != 100 {
		t.Errorf("%d of 40 states are there, of %d events", states, len(list))
	}
}

// TestRestore: what a daemon before this one remembered stands first, with its numbers.
func TestRestore(t *testing.T) {
	old := events.NewRing(0, 7)
	for i := range 3 {
		old.Add(events.Event{Kind: "old", VirtualServer: "web", RealServer: "10.0.0.1:80", Reason: fmt.Sprint(i)})
	}
	before, last, _ := old.List(events.Filter{})
	r := events.NewRing(4, last+100)
	r.Add(events.Event{Kind: "new"})
	r.Add(events.Event{Kind: "new"})
	r.Restore(before)
	list, _, _ := r.List(events.Filter{})
	if len(list) != 4 || list[0].Seq != 9 || list[1].Seq != 10 || list[2].Kind != "new" {
		t.Errorf("restored into too little room: %+v", list)
	}
	if list, _, _ = r.List(events.Filter{RealServer: "10.0.0.1:80"}); len(list) != 2 {
		t.Errorf("of its server: %+v", list)
	}
}

// TestMaintenanceIsNoInitialize: people are told of maintenance, not of VRRP's word for it.
func TestMaintenanceIsNoInitialize(t *testing.T) {
	for want, e := range map[string]events.Event{
		"web: state active -> maintenance":            {Instance: "web", Kind: "state", From: "active", To: "initialize", Reason: "maintenance"},
		"web: state active -> initialize: shut down":  {Instance: "web", Kind: "state", From: "active", To: "initialize", Reason: "shut down"},
		"web: state initialize -> backup: started":    {Instance: "web", Kind: "state", From: "initialize", To: "backup", Reason: "started"},
		"web: virtual server down: nobody is healthy": {VirtualServer: "web", Kind: "virtual_server", To: "down", Reason: "nobody is healthy"},
	} {
		if got := e.Text(); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
