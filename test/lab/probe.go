package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Attempt is one request of a Prober: a new connection, a request and its answer.
type Attempt struct {
	From       netip.Addr
	Start, End time.Time
	Open       bool   // it was connected, whatever came of it
	Server     string // the name that the server answers with
	Err        error
}

// Prober asks the service again and again from a client.
type Prober struct {
	stop     context.CancelFunc
	done     chan struct{}
	mu       sync.Mutex
	attempts []Attempt
}

// attemptLimit is far above what an answer takes, and below the second after which
// TCP itself tries again: a lost packet is seen as a failed attempt.
const attemptLimit = 700 * time.Millisecond

// Probe starts clients, each with an address of its own, that ask for / one
// request after the other, with a pause between.
func (n *Node) Probe(to netip.AddrPort, clients int, pause time.Duration) *Prober {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Prober{stop: cancel, done: make(chan struct{})}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			n.Do(func() error { //nolint:errcheck // every attempt carries its own error
				tick := time.NewTicker(pause)
				defer tick.Stop()
				for ctx.Err() == nil {
					p.add(Ask(ClientAddr(i), to, attemptLimit))
					select {
					case <-ctx.Done():
					case <-tick.C:
					}
				}
				return nil
			})
		})
	}
	go func() {
		wg.Wait()
		close(p.done)
	}()
	return p
}

// Ask makes one attempt, which fails after the limit. It must run inside the client's
// namespace, see Node.Do.
func Ask(from netip.Addr, to netip.AddrPort, limit time.Duration) Attempt {
	a := Attempt{From: from, Start: time.Now()}
	deadline := a.Start.Add(limit)
	d := net.Dialer{Deadline: deadline, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	var c net.Conn
	if c, a.Err = d.Dial("tcp", to.String()); a.Err == nil {
		a.Open = true
		a.Server, a.Err = answer(c, to, deadline)
	}
	a.End = time.Now()
	return a
}

func answer(c net.Conn, to netip.AddrPort, deadline time.Time) (string, error) {
	defer c.Close()
	if err := c.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", to.Addr()); err != nil {
		return "", err
	}
	text, err := io.ReadAll(c)
	if err != nil {
		return "", err
	}
	head, body, ok := strings.Cut(string(text), "\r\n\r\n")
	if !ok || !strings.Contains(head, " 200 ") {
		return "", errors.New("not an answer: " + head)
	}
	return strings.TrimSpace(body), nil
}

func (p *Prober) add(a Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts = append(p.attempts, a)
}

// Attempts returns what was tried so far, in the order of the starts.
func (p *Prober) Attempts() []Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.attempts)
	slices.SortFunc(all, func(a, b Attempt) int { return a.Start.Compare(b.Start) })
	return all
}

// Stop ends the clients and returns all attempts.
func (p *Prober) Stop() []Attempt {
	p.stop()
	<-p.done
	return p.Attempts()
}

// Outage is what clients saw of a failure.
type Outage struct {
	Failed int           // attempts without an answer
	Cut    int           // those of Failed that were connected
	Total  int           // all attempts
	Gap    time.Duration // from the last answer before to the first after; 0 where none failed
	Back   time.Time     // when the first answer after the last failure came
	Reason error         // of the first failure
}

// Judge looks at the attempts that started after a moment.
func Judge(attempts []Attempt, since time.Time) Outage {
	var o Outage
	var last time.Time // start of the last failed attempt
	for _, a := range attempts {
		if a.Start.Before(since) {
			continue
		}
		o.Total++
		if a.Err != nil {
			o.Failed++
			if a.Open {
				o.Cut++
			}
			last = a.Start
			if o.Reason == nil {
				o.Reason = a.Err
			}
		}
	}
	if o.Failed == 0 {
		return o
	}
	before := since
	var first time.Time
	for _, a := range attempts {
		if a.Err != nil && a.Start.After(since) && first.IsZero() {
			first = a.Start
		}
	}
	for _, a := range attempts {
		if a.Err != nil {
			continue
		}
		if a.End.After(before) && a.Start.Before(first) {
			before = a.End
		}
		if a.Start.After(last) && (o.Back.IsZero() || a.End.Before(o.Back)) {
			o.Back = a.End
		}
	}
	if !o.Back.IsZero() {
		o.Gap = o.Back.Sub(before)
	}
	return o
}
