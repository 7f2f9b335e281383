package sim

import (
	"math/rand/v2"
	"sync"
	"time"

	"usher/vrrp/engine"
)

// Weather is what a network does to packets.
type Weather struct {
	Loss      float64       // share of packets lost, each receiver on its own
	Duplicate float64       // share delivered twice
	Delay     time.Duration // the most that one takes; 0 for a fixed tenth of a millisecond
}

// lan is one broadcast network between all machines.
type lan struct {
	mu      sync.Mutex
	rng     *rand.Rand
	weather Weather
	ports   []func(engine.Incoming) // of each machine; nil while its process is down
	deaf    [][]bool                // deaf[from][to]: nothing comes through
}

func newLAN(n int, rng *rand.Rand, weather Weather) *lan {
	l := &lan{rng: rng, weather: weather, ports: make([]func(engine.Incoming), n), deaf: make([][]bool, n)}
	for i := range l.deaf {
		l.deaf[i] = make([]bool, n)
	}
	return l
}

// plug connects a machine's receiver, or disconnects it with nil.
func (l *lan) plug(machine int, rx func(engine.Incoming)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ports[machine] = rx
}

// cut makes one direction between two machines deaf, or heals it.
func (l *lan) cut(from, to int, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf[from][to] = on
}

// hears says whether packets come through in that direction.
func (l *lan) hears(from, to int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.deaf[from][to]
}

// send delivers a packet to every other machine that can hear it.
func (l *lan) send(from int, out engine.Outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for to := range l.ports {
		if to == from || l.rng.Float64() < l.weather.Loss {
			continue
		}
		l.deliver(from, to, out)
		if l.rng.Float64() < l.weather.Duplicate {
			l.deliver(from, to, out)
		}
	}
}

// deliver takes a different time for each pair, since events at the same instant
// of virtual time have no order. A cut swallows what is under way.
func (l *lan) deliver(from, to int, out engine.Outgoing) {
	delay := 100*time.Microsecond + time.Duration(from*len(l.ports)+to)*time.Microsecond
	if l.weather.Delay > 0 {
		delay += time.Duration(l.rng.Int64N(int64(l.weather.Delay)))
	}
	in := engine.Incoming{
		Index: out.Index, Source: out.Source, Destination: out.Destination, TTL: out.TTL,
		Payload: append([]byte(nil), out.Payload...),
	}
	time.AfterFunc(delay, func() {
		l.mu.Lock()
		rx := l.ports[to]
		if l.deaf[from][to] {
			rx = nil
		}
		l.mu.Unlock()
		if rx != nil {
			rx(in)
		}
	})
}
