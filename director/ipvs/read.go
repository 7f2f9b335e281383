package ipvs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// dumps is how many lists of destinations are asked for in one send.
const dumps = 64

// Read gives the whole table, also what others put there.
func (k *Kernel) Read() (Table, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	services, err := k.services()
	if err != nil {
		return nil, err
	}
	table := make(Table, len(services))
	keys := make([]ServiceKey, len(services))
	for i, s := range services {
		keys[i] = s.key
		table[s.key] = Entry{Service: s.service, Destinations: map[DestinationKey]Destination{}}
	}
	err = k.destinations(keys, func(key ServiceKey, d destRecord) {
		table[key].Destinations[d.key] = d.destination
	})
	if err != nil {
		return nil, err
	}
	return table, nil
}

// Counters gives the counters of the services named, of all without any. A
// service that is not there is left out.
func (k *Kernel) Counters(keys ...ServiceKey) (CounterTable, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	services, err := k.named(keys)
	if err != nil {
		return nil, err
	}
	table := make(CounterTable, len(services))
	found := make([]ServiceKey, len(services))
	for i, s := range services {
		found[i] = s.key
		table[s.key] = ServiceCounters{Service: s.counters, Destinations: map[DestinationKey]Counters{}}
	}
	err = k.destinations(found, func(key ServiceKey, d destRecord) {
		table[key].Destinations[d.key] = d.counters
	})
	if err != nil {
		return nil, err
	}
	return table, nil
}

// few is up to how many services are asked for one by one rather than by a dump
// of all of them.
const few = 16

// named gives the services that keys name, all without any.
func (k *Kernel) named(keys []ServiceKey) ([]serviceRecord, error) {
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
	wanted := make(map[ServiceKey]bool, len(keys))
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

// services dumps all services.
func (k *Kernel) services() ([]serviceRecord, error) {
	var out []serviceRecord
	err := k.socket.dump(k.family, cmdGetService, nil, func(payload []byte) error {
		r, err := decodeService(payload)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ipvs: read the services: %w", err)
	}
	return out, nil
}

// destinations dumps the destinations of each service, many dumps to a send. The
// kernel finishes a dump that fits into one answer within the send; after one
// that does not, it says EBUSY to those that follow, which are asked for again.
func (k *Kernel) destinations(keys []ServiceKey, each func(ServiceKey, destRecord)) error {
	for len(keys) > 0 {
		n := min(dumps, len(keys))
		busy, err := k.dumpMany(keys[:n], each)
		if err != nil {
			return fmt.Errorf("ipvs: read the destinations: %w", err)
		}
		keys = append(busy, keys[n:]...)
	}
	return nil
}

// dumpMany asks for the destinations of all keys in one send. It gives those for
// which the kernel was busy.
func (k *Kernel) dumpMany(keys []ServiceKey, each func(ServiceKey, destRecord)) (busy []ServiceKey, err error) {
	first := k.socket.seq + 1
	var out []byte
	for _, key := range keys {
		m, at := begin(out, k.family, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, k.socket.next(), cmdGetDest)
		m.nest(attrService, func() { m.key(key) })
		out = m.end(at)
	}
	if err := k.socket.send(out); err != nil {
		return nil, err
	}
	var failure error
	for open := len(keys); open > 0; {
		err := k.socket.receive(func(r reply) {
			i := int(int32(r.seq - first))
			switch {
			case i < 0 || i >= len(keys):
			case r.done:
				open--
				if errors.Is(r.err, unix.EBUSY) {
					busy = append(busy, keys[i])
				} else if r.err != nil {
					failure = r.err
				}
			default:
				d, err := decodeDest(r.payload, keys[i])
				if err != nil {
					failure = err
					return
				}
				each(keys[i], d)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return busy, failure
}
