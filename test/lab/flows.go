package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Flows are TCP connections that last: each asks for a page again and again, and is lost
// when it ends or is not answered in time.
type Flows struct {
	stop chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex
	open     map[string]string // the server of each, by flowKey
	answers  map[string]int
	lost     []string // why
	switched int      // answers of another server than before: there must be none
}

// flowPatience is how long a flow may wait for an answer: many retransmissions, and the time
// that an emulated machine stands still. What is lost for good is reset long before.
const flowPatience = WaitLimit

// Flows opens so many flows from the node, to each of the services in turn, and returns when
// they are open. Each asks at every step.
func (n *Node) Flows(to []netip.AddrPort, count int, step time.Duration) (*Flows, error) {
	f := &Flows{stop: make(chan struct{}), open: map[string]string{}, answers: map[string]int{}}
	err := n.Do(func() error {
		for i := range count {
			c, err := net.DialTimeout("tcp", to[i%len(to)].String(), flowPatience)
			if err != nil {
				return fmt.Errorf("flow %d of %d: %w", i+1, count, err)
			}
			key := flowKey(to[i%len(to)].Addr().Is6(), c.LocalAddr().(*net.TCPAddr).AddrPort().Port())
			f.all.Go(func() { f.run(c, key, step) })
		}
		return nil
	})
	if err != nil {
		f.Stop()
		return nil, err
	}
	return f, nil
}

func (f *Flows) run(c net.Conn, key string, step time.Duration) {
	defer c.Close()
	r := bufio.NewReader(c)
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		server, err := ask(c, r)
		f.mu.Lock()
		switch {
		case err != nil:
			delete(f.open, key)
			f.lost = append(f.lost, err.Error())
		case f.open[key] != "" && f.open[key] != server:
			f.switched++
		default:
			f.open[key] = server
		}
		f.answers[key]++
		f.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
	}
}

func ask(c net.Conn, r *bufio.Reader) (string, error) {
	if err := c.SetDeadline(time.Now().Add(flowPatience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: vip\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return string(b), err
}

// Stand is how many flows are open, and why those were lost that were.
func (f *Flows) Stand() (open int, lost []string, switched int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open), append([]string(nil), f.lost...), f.switched
}

// Open are the flows that are open, by family and the client's port.
func (f *Flows) Open() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.open))
}

// rounds tells, whenever it is asked, whether every flow that is open has been answered so
// many times more than when rounds was called.
func (f *Flows) rounds(more int) (over func() bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := maps.Clone(f.answers)
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for key := range f.open {
			if f.answers[key] < before[key]+more {
				return false
			}
		}
		return true
	}
}

// Answered waits until every flow that is open has been answered so many times more.
func (f *Flows) Answered(ctx context.Context, more int) error {
	over := f.rounds(more)
	return Until(ctx, fmt.Sprintf("every flow is answered %d times more", more), func() error {
		if !over() {
			return errors.New("not all are")
		}
		return nil
	})
}

// Page asks for a page on a connection, and reads it: what clients of Load use theirs for.
func Page(c net.Conn) error {
	_, err := ask(c, bufio.NewReader(c))
	return err
}

// Stop ends the flows.
func (f *Flows) Stop() {
	close(f.stop)
	f.all.Wait()
}
