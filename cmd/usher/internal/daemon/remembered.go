package daemon

import (
	"fmt"
	"slices"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/director"
	"usher/healthcheck"
	"usher/vrrp"
)

// Bounds of what is remembered.
const (
	lately  = 15 * time.Minute // how long what happened once, and nobody repaired, stays a warning
	fights  = 3                // so many repairs within that time say that somebody does it again and again
	oneDeed = 2 * time.Second  // repairs closer together are of one deed
)

// memory is how an event that leaves no state behind shows in the status.
type memory struct {
	kind    string        // of the warning
	lasts   time.Duration // from the last such event on; 0 for until it is over
	over    []string      // kinds of events of the same subject that end it, or of none that end all
	repairs bool          // usher put it right: worth a warning only where it goes on
}

// memories are all such events. What was repaired is an event and is counted in the
// metrics, and that is all where it happens once.
var memories = map[string]memory{
	string(director.EventDrift):       {kind: "drift", lasts: lately, repairs: true},
	string(vrrp.EventAddressRepaired): {kind: "addresses", lasts: lately, repairs: true},
	string(director.EventDamaged):     {kind: "state", lasts: lately},
	string(healthcheck.EventOverload): {kind: "overload", lasts: time.Minute}, // told every ten seconds while it lasts
	string(vrrp.EventAddressFailed):   {kind: "addresses", over: []string{string(vrrp.EventAddressEnd), string(vrrp.EventProcess)}},
	string(vrrp.EventRouteFailed):     {kind: "routes", over: []string{string(vrrp.EventRouteEnd), string(vrrp.EventProcess)}},
	string(vrrp.EventWitness):         {kind: "witness", over: []string{string(vrrp.EventWitnessEnd), string(vrrp.EventProcess)}},
	string(vrrp.EventProcess):         {kind: "process", lasts: lately},
	string(vrrp.EventLate):            {kind: "late", lasts: lately},
	"crash":                           {kind: "crash", lasts: lately},
}

// about is what a remembered event is of.
type about struct{ event, subject string }

// recollection is a remembered event, the newest of its kind and subject.
type recollection struct {
	api.Warning
	deeds int
	deed  time.Time // when the last of them began
}

// remembered gives the warnings that come from events, while their cause is there and
// their subject is configured.
func (r *reporter) remembered(s *api.Status) (list []api.Warning) {
	all, _, _ := r.ring.List(events.Filter{})
	return recall(all, time.Now(), s)
}

// recall is remembered for the events that there were, oldest first.
func recall(all []events.Event, now time.Time, s *api.Status) (list []api.Warning) {
	known := map[about]*recollection{}
	for _, e := range all {
		for of := range known {
			if slices.Contains(memories[of.event].over, e.Kind) && (e.Subject() == "" || e.Subject() == of.subject) {
				delete(known, of)
			}
		}
		m, ok := memories[e.Kind]
		if !ok || e.Time.Before(s.Started) || m.lasts > 0 && now.Sub(e.Time) > m.lasts {
			continue // too long ago, or of a process before this one
		}
		of := about{e.Kind, e.Subject()}
		r := known[of]
		if r == nil {
			r = &recollection{}
			known[of] = r
		}
		if r.deeds == 0 || e.Time.Sub(r.deed) > oneDeed {
			r.deeds, r.deed = r.deeds+1, e.Time
		}
		r.Warning = api.Warning{Severity: string(events.Warning), Kind: m.kind, Subject: e.Subject(), Text: e.Reason, Since: e.Time}
	}
	for of, r := range known {
		i := slices.IndexFunc(s.Instances, func(i api.Instance) bool { return i.Name == of.subject })
		switch {
		case memories[of.event].repairs && r.deeds < fights:
		case memories[of.event].repairs:
			r.Text = fmt.Sprintf("put right %d times within %d minutes, so somebody changes it again and again; the last time: %s", r.deeds, int(lately.Minutes()), r.Text)
			list = append(list, r.Warning)
		case of.event == string(vrrp.EventAddressFailed) && i >= 0 && s.Instances[i].Held:
		case memories[of.event].lasts == 0 && i < 0: // the configuration does not have it any more
		default:
			list = append(list, r.Warning)
		}
	}
	return list
}
