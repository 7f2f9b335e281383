package director

import (
	"maps"
	"time"

	"usher/director/ipvs"
)

// DefaultDrain is how long services are emptied that an earlier usher left and whose own
// drain timeout is not known any more.
const DefaultDrain = 60 * time.Second

// Retired is a service that the configuration no longer has: it stays, taking no new
// connections, until those that it has are gone.
type Retired struct {
	name    string // of its virtual server, "" for one of an earlier run
	service ipvs.Service
	forward Forward
	since   time.Time
	leaving map[ipvs.DestinationKey]leaving
}

// Retire starts emptying a service, e in the kernel. was is the virtual server that had it;
// nil where nobody knows any more.
func Retire(name string, e ipvs.Entry, was *VirtualServer, now time.Time) *Retired {
	r := &Retired{name: name, service: e.Service, forward: NAT, since: now, leaving: map[ipvs.DestinationKey]leaving{}}
	timeout := DefaultDrain
	if was != nil {
		timeout, r.forward = was.DrainTimeout, was.Forward
	}
	for dest, settings := range e.Destinations {
		settings.Weight = 0
		l := leaving{destination: settings, since: now}
		l.drain.start(now, timeout)
		r.leaving[dest] = l
	}
	return r
}

// Name is that of the virtual server that had the service, "" where nobody knows.
func (r *Retired) Name() string { return r.name }

// Want adds what is left of a retired service to t; it tells whether anything is.
func (r *Retired) Want(t ipvs.Table, key ipvs.ServiceKey) bool {
	e := ipvs.Entry{Service: r.service, Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
	for dest, l := range r.leaving {
		if !l.drain.gone {
			e.Destinations[dest] = l.destination
		}
	}
	if len(e.Destinations) == 0 {
		return false
	}
	t[key] = e
	return true
}

// Observe takes the connections of the services. A destination that is not in counters has
// none.
func (r *Retired) Observe(key ipvs.ServiceKey, counters ipvs.CounterTable, now time.Time) {
	for dest, l := range r.leaving {
		c := counters[key].Destinations[dest]
		l.drain.observe(key.Protocol, c, now)
		r.leaving[dest] = l
	}
}

// Clone gives a copy that can be changed without harm to the original.
func (r *Retired) Clone() *Retired {
	c := *r
	c.leaving = maps.Clone(r.leaving)
	return &c
}
