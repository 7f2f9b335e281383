package lab

import (
	"context"
	"math"
	"net/netip"
	"sync"
	"time"

	"usher/healthcheck/probe/loop"
)

// Storm is connections that are begun by the clock, however the ones before them fare,
// and reset as soon as they stand.
type Storm struct {
	Tally
	to       netip.AddrPort
	stop     context.CancelFunc
	clock    sync.WaitGroup // who begins them
	underWay sync.WaitGroup
	end      context.CancelFunc
	over     chan error // the loop ended
}

// stormStep is the time from one batch to the next.
const stormStep = 10 * time.Millisecond

// Storm opens so many connections a second from the node. They are made by an event loop,
// so that an emulated machine has room left for the rest.
func (n *Node) Storm(to netip.AddrPort, rate int) *Storm {
	ctx, stop := context.WithCancel(context.Background())
	running, end := context.WithCancel(context.Background())
	s := &Storm{Tally: Tally{start: time.Now()}, to: to, stop: stop, end: end, over: make(chan error, 1)}
	l := loop.New()
	// Connections that are asked for before the loop runs are made where it runs.
	go func() { s.over <- n.Do(func() error { return l.Run(running) }) }()
	s.clock.Go(func() {
		n.Do(func() error { //nolint:errcheck // failures are counted
			tick := time.NewTicker(stormStep)
			defer tick.Stop()
			last := s.start
			for ctx.Err() == nil {
				now := <-tick.C
				// A machine that stood still is not made to pay for it.
				due := min(now.Sub(last), 20*stormStep).Seconds() * float64(rate)
				last = now
				l.Start(s.batch(int(math.Round(due))))
			}
			return nil
		})
	})
	return s
}

// batch is so many connections to begin.
func (s *Storm) batch(n int) []loop.Dial {
	dials := make([]loop.Dial, n)
	s.attempts.Add(int64(n))
	s.underWay.Add(n)
	for i := range dials {
		dials[i] = loop.Dial{To: s.to, Timeout: loadPatience, Exchange: &gust{storm: s, begun: time.Now()}}
	}
	return dials
}

// Stop ends it, and returns how many connection attempts were lost and a line that tells
// what was seen.
func (s *Storm) Stop() (lost int64, story string, err error) {
	s.stop()
	s.clock.Wait()
	took := time.Since(s.start)
	s.underWay.Wait()
	s.end()
	lost, story = s.told(took)
	return lost, story, <-s.over
}

// gust is one connection of a storm.
type gust struct {
	storm *Storm
	begun time.Time
}

func (g *gust) Connected(time.Duration) []byte { return nil }
func (g *gust) Received([]byte, bool) bool     { return true }
func (g *gust) Ended(_ loop.Phase, _ bool, err error) {
	g.storm.Tally.ended(g.begun, err)
	g.storm.underWay.Done()
}
