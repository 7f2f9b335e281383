package daemon

import (
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
)

// TestRemembered: what leaves no state behind is a warning for as long as its cause is
// there; what usher put right is one only where it goes on.
func TestRemembered(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(after time.Duration, kind, instance, reason string) events.Event {
		severity := events.Warning
		if strings.HasSuffix(kind, "_end") {
			severity = events.Info
		}
		return events.Event{Time: start.Add(after), Severity: severity, Kind: kind, Instance: instance, Reason: reason}
	}
	repair := func(after time.Duration) events.Event {
		return at(after, "address_repaired", "web", "192.0.2.10/32 was removed")
	}
	for name, c := range map[string]struct {
		events []events.Event
		now    time.Duration
		held   bool
		want   string // the texts; "" for none
	}{
		"failed":            {events: []events.Event{at(0, "address_failed", "web", "no such device")}, now: time.Hour, want: "no such device"},
		"held again":        {events: []events.Event{at(0, "address_failed", "web", "no such device")}, held: true},
		"a route":           {events: []events.Event{at(0, "route_failed", "web", "unreachable")}, held: true, now: time.Hour, want: "unreachable"},
		"a route again":     {events: []events.Event{at(0, "route_failed", "web", "unreachable"), at(1, "route_end", "web", "over")}, held: true},
		"over":              {events: []events.Event{at(0, "address_failed", "web", "no such device"), at(1, "address_end", "web", "over")}},
		"another's is over": {events: []events.Event{at(0, "address_failed", "web", "no such device"), at(1, "address_end", "mail", "over")}, want: "no such device"},
		"failed anew": {events: []events.Event{at(0, "address_failed", "web", "no such device"), at(1, "address_end", "web", "over"),
			at(2, "address_failed", "web", "no memory")}, want: "no memory"},
		"of a dead process":    {events: []events.Event{at(0, "address_failed", "web", "no such device"), at(1, "process", "", "died")}, want: "died"},
		"of an earlier daemon": {events: []events.Event{at(-time.Minute, "address_failed", "web", "no such device")}},
		"removed":              {events: []events.Event{at(0, "address_failed", "gone", "no such device")}},
		"withheld":             {events: []events.Event{at(0, "witness", "web", "withheld")}, now: time.Hour, want: "withheld"},
		"answers":              {events: []events.Event{at(0, "witness", "web", "withheld"), at(1, "witness_end", "web", "answers")}},
		"repaired":             {events: []events.Event{repair(0), repair(time.Minute)}},
		"one deed":             {events: []events.Event{repair(0), repair(1), repair(2), repair(time.Second)}},
		"a fight": {events: []events.Event{repair(0), repair(time.Minute), repair(2 * time.Minute)},
			want: "put right 3 times within 15 minutes, so somebody changes it again and again; the last time: 192.0.2.10/32 was removed"},
		"a fast fight": {events: []events.Event{repair(0), repair(1500 * time.Millisecond), repair(3 * time.Second), repair(4500 * time.Millisecond),
			repair(6 * time.Second)}, want: "put right 3 times"},
		"a fight that ended": {events: []events.Event{repair(0), repair(time.Minute), repair(2 * time.Minute)}, now: 16 * time.Minute},
		"drift":              {events: []events.Event{at(0, "drift_repaired", "", "changed")}},
		"overload":           {events: []events.Event{at(0, "check_overload", "", "too busy")}, now: 50 * time.Second, want: "too busy"},
		"no more overload":   {events: []events.Event{at(0, "check_overload", "", "too busy")}, now: 70 * time.Second},
		"stalled":            {events: []events.Event{at(0, "late", "web", "stalled")}, now: 14 * time.Minute, want: "stalled"},
		"crashed":            {events: []events.Event{at(0, "crash", "", "killed")}, now: 14 * time.Minute, want: "killed"},
		"crash before":       {events: []events.Event{at(-time.Minute, "crash", "", "killed")}},
		"long ago":           {events: []events.Event{at(0, "late", "web", "stalled")}, now: 16 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			now := start.Add(c.now)
			if last := c.events[len(c.events)-1].Time; now.Before(last) {
				now = last
			}
			var texts []string
			for _, w := range recall(c.events, now, &api.Status{Started: start, Instances: []api.Instance{{Name: "web", Held: c.held}}}) {
				texts = append(texts, w.Text)
			}
			if got := strings.Join(texts, "; "); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
}
