package genl

import (
	"errors"
	"fmt"
	"maps"

	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// Read gives the whole table, also what others put there.
func (k *Kernel) Read() (ipvs.Table, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	services, err := k.services()
	if err != nil {
		return nil, err
	}
	table := make(ipvs.Table, len(services))
	keys := make([]ipvs.ServiceKey, len(services))
	for i, s := range services {
		keys[i] = s.key
		table[s.key] = ipvs.Entry{Service: s.service}
	}
	err = k.destinations(keys, false, func(key ipvs.ServiceKey, found []destRecord) {
		e := table[key]
		e.Destinations = settingsOf(found)
		table[key] = e
	})
	if err != nil {
		return nil, err
	}
	return table, nil
}

// Entry gives one service with its destinations; false where it is not there.
func (k *Kernel) Entry(key ipvs.ServiceKey) (ipvs.Entry, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.named([]ipvs.ServiceKey{key})
	if err != nil || len(found) == 0 {
		return ipvs.Entry{}, false, err
	}
	e := ipvs.Entry{Service: found[0].service}
	err = k.destinations([]ipvs.ServiceKey{key}, false, func(_ ipvs.ServiceKey, dests []destRecord) {
		e.Destinations = settingsOf(dests)
	})
	return e, err == nil, err
}

// settingsOf gives destinations by their keys.
func settingsOf(dests []destRecord) map[ipvs.DestinationKey]ipvs.Destination {
	out := make(map[ipvs.DestinationKey]ipvs.Destination, len(dests))
	for _, d := range dests {
		out[d.key] = d.destination
	}
	return out
}

// Counters gives the counters of the services named, of all without any. A
// service that is not there is left out.
func (k *Kernel) Counters(keys ...ipvs.ServiceKey) (ipvs.CounterTable, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	services, err := k.named(keys)
	if err != nil {
		return nil, err
	}
	table := make(ipvs.CounterTable, len(services))
	found := make([]ipvs.ServiceKey, len(services))
	for i, s := range services {
		found[i] = s.key
		table[s.key] = ipvs.ServiceCounters{Service: s.counters}
	}
	err = k.destinations(found, true, func(key ipvs.ServiceKey, dests []destRecord) {
		c := table[key]
		c.Destinations = make(map[ipvs.DestinationKey]ipvs.Counters, len(dests))
		for _, d := range dests {
			c.Destinations[d.key] = d.counters
		}
		table[key] = c
	})
	if err != nil {
		return nil, err
	}
	return table, nil
}

// Totals gives the counters of every service. Its destinations are not looked at,
// which makes it one dump however many services there are.
func (k *Kernel) Totals() (map[ipvs.ServiceKey]ipvs.Counters, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	services, err := k.services()
	if err != nil {
		return nil, err
	}
	out := make(map[ipvs.ServiceKey]ipvs.Counters, len(services))
	for _, s := range services {
		out[s.key] = s.counters
	}
	return out, nil
}

// few is up to how many services are asked for one by one rather than by a dump
// of all of them.
const few = 16

// named gives the services that keys name, all without any.
func (k *Kernel) named(keys []ipvs.ServiceKey) ([]serviceRecord, error) {
	if len(keys) == 0 {
		return k.services()
	}
	var out []serviceRecord
	if len(keys) <= few {
		for _, key := range keys {
			err := k.socket.do(k.family, cmdGetService,
				func(m *message) { m.nest(attrService, func() { m.key(key) }) },
				func(payload []byte) error {
					r, err := decodeService(payload)
					out = append(out, r)
					return err
				})
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return nil, fmt.Errorf("ipvs: read the service %s: %w", key, err)
			}
		}
		return out, nil
	}
	wanted := make(map[ipvs.ServiceKey]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	all, err := k.services()
	for _, r := range all {
		if wanted[r.key] {
			out = append(out, r)
		}
	}
	return out, err
}

// rereads bounds how often a table that others keep changing is read again.
const rereads = 20

// agreed is how many dumps in parts must have the same services.
const agreed = 3

// services gives all services. The kernel counts its way through those of all
// network namespaces together, so where one comes or goes anywhere between two parts
// of a dump, that dump leaves some out or repeats them. A dump in parts is believed
// once the next two have the same services: two in a row may leave out the same one.
func (k *Kernel) services() ([]serviceRecord, error) {
	var before map[ipvs.ServiceKey]bool
	same := 0
	for range rereads {
		all, parts, err := k.dumpServices()
		if err != nil {
			return nil, err
		}
		keys := make(map[ipvs.ServiceKey]bool, len(all))
		for _, s := range all {
			keys[s.key] = true
		}
		if len(keys) < len(all) || !maps.Equal(keys, before) {
			same = 0
		}
		if same++; parts == 1 || same == agreed {
			return all, nil
		}
		before = keys
	}
	return nil, fmt.Errorf("ipvs: read the services: they change faster than they can be read: %w", unix.EAGAIN)
}

// dumpServices dumps all services once; parts is in how many pieces they came.
func (k *Kernel) dumpServices() (out []serviceRecord, parts int, err error) {
	err = k.socket.dump(k.family, cmdGetService, nil, func(payload []byte) error {
		r, err := decodeService(payload)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("ipvs: read the services: %w", err)
	}
	return out, k.socket.datagrams - 1, nil // the last one says that it is complete
}

// destinations dumps the destinations of each service, with their counters if they
// are wanted. The kernel ends a dump only with the answer after the last, so a socket
// can have one at a time: asking for many in one send gets EBUSY for all but the first.
// What each is given is only good meanwhile.
func (k *Kernel) destinations(keys []ipvs.ServiceKey, counted bool, each func(ipvs.ServiceKey, []destRecord)) error {
	var found []destRecord
	for _, key := range keys {
		found = found[:0]
		err := k.socket.dump(k.family, cmdGetDest,
			func(m *message) { m.nest(attrService, func() { m.key(key) }) },
			func(payload []byte) error {
				d, err := decodeDest(payload, key, counted)
				found = append(found, d)
				return err
			})
		if err != nil {
			return fmt.Errorf("ipvs: read the destinations of %s: %w", key, err)
		}
		each(key, found)
	}
	return nil
}
