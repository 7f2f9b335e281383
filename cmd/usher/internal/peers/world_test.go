package peers_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/peerstest"
	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// world are directors that know each other, on a network in memory.
type world struct {
	t   *testing.T
	net *peerstest.Network
}

// one is a director of a world: what it was told is in force.
type one struct {
	w       *world
	name    string
	address netip.AddrPort
	node    *peers.Node
	state   string
	stop    func()

	mu    sync.Mutex
	force map[share.Key]director.Override
	told  []string
	log   lines
}

func newWorld(t *testing.T) *world { return &world{t: t, net: peerstest.New()} }

func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 7946)
}

var testKey, otherKey = []byte("0123456789abcdef"), []byte("fedcba9876543210fedcba98")

func config(i int, key []byte) *peers.Config {
	return &peers.Config{Name: fmt.Sprint("lb", i), Listen: address(i), Join: []netip.AddrPort{address(0), address(1)}, Key: key}
}

// start runs a director.
func (w *world) start(i int, c *peers.Config) *one {
	o := &one{w: w, name: c.Name, address: c.Listen, state: w.t.TempDir(), force: map[share.Key]director.Override{}}
	o.run(c)
	return o
}

func (o *one) run(c *peers.Config) {
	o.w.t.Helper()
	o.node = peers.New(peers.Options{
		Log: slog.New(slog.NewTextHandler(&o.log, nil)), State: o.state, Network: o.w.net,
		Heard: func(all []share.Held) {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, h := range all {
				o.force[h.Key] = h.Local(time.Now())
			}
		},
		Event: func(e peers.Event) {
			o.node.View() // which hangs where the node has its lock
			o.mu.Lock()
			defer o.mu.Unlock()
			o.told = append(o.told, e.Text)
		},
	})
	if err := o.node.Apply(c, nil); err != nil {
		o.w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := o.node.Run(ctx); err != nil {
			o.w.t.Error(err)
		}
	}()
	o.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
}

// say says something here, which is in force first.
func (o *one) say(k share.Key, v director.Override) peers.Delivery {
	v.Since = time.Now()
	o.mu.Lock()
	o.force[k] = v
	o.mu.Unlock()
	return o.node.Say(context.Background(), k, v)
}

func (o *one) mode(k share.Key) director.OverrideMode {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.force[k].Mode
}

// heard tells whether there was an event.
func (o *one) heard(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.told, text)
}

// learned waits as a start does.
func (o *one) learned() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return o.node.Learned(ctx)
}

// up are the members that are there, as one sees them.
func (o *one) up() (names []string) {
	for _, m := range o.node.View().Members {
		if m.Up {
			names = append(names, m.Name)
		}
	}
	return names
}

func server(i int) share.Key {
	return share.Key{VirtualServer: "web", RealServer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)}
}

var drain = director.Override{Mode: director.OverrideDrain, By: "root"}

// all starts some directors, and lets them find each other.
func (w *world) all(n int, key []byte) []*one {
	w.t.Helper()
	var all []*one
	for i := range n {
		all = append(all, w.start(i, config(i, key)))
	}
	w.together(all)
	return all
}

// await lets time go on until something is so, for two minutes at the most: whom members
// gossip with is left to chance.
func (w *world) await(what string, so func() bool) {
	w.t.Helper()
	for range 240 {
		if so() {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	w.t.Errorf("two minutes later it is not so that %s", what)
}

// together waits until all see all others.
func (w *world) together(all []*one) {
	w.t.Helper()
	for _, o := range all {
		w.await(o.name+" sees all", func() bool { return len(o.up()) == len(all)-1 })
	}
}

// stop stops all, and lets end what memberlist has begun: time stands still when a test
// is over.
func stop(all ...*one) {
	for _, o := range all {
		o.stop()
	}
	time.Sleep(time.Minute)
}
