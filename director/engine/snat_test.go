package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvstest"
)

// rules is a packet filter in memory.
type rules struct {
	mu   sync.Mutex
	kept []director.SNATRule
	held bool // their place is there
	tell func()
}

func (r *rules) Remove() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.held = nil, false
	return nil
}

// holds tells whether the place of the rules is there.
func (r *rules) holds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *rules) Watch(ctx context.Context, changed func()) error {
	r.mu.Lock()
	r.tell = changed
	r.mu.Unlock()
	<-ctx.Done()
	return nil
}

// flush takes all rules away, as anybody may.
func (r *rules) flush() {
	r.mu.Lock()
	r.kept = nil
	tell := r.tell
	r.mu.Unlock()
	tell()
}

func (r *rules) Keep(want []director.SNATRule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := len(want) != len(r.kept)
	r.kept, r.held = want, true
	return changed, nil
}

func (r *rules) Same(want []director.SNATRule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(want) == len(r.kept), nil
}

func (r *rules) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.kept)
}

// The packet filter tells of changes, so that they are undone at once.
func TestFullNATRulesAreRepairedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rules{}
		vs := pool(1)
		vs.Real[0].Forward = director.FullNAT
		o := engine.Options{Kernel: ipvstest.New(), SNAT: r, State: t.TempDir()}
		settled(t, o, director.Settings{}, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			synctest.Wait()
			r.flush()
			synctest.Wait()
			if r.len() != 1 || d.Stats().DriftRepairs != 1 {
				t.Errorf("%d rules, %d repairs", r.len(), d.Stats().DriftRepairs)
			}
		}, vs)
	})
}

// Connections through a fullnat service that a reload takes out live by the place of
// its rules, which goes at the end, and not with a director that is killed.
func TestPlaceOfFullNATRulesOutlivesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rules{}
		vs := pool(1)
		vs.Real[0].Forward = director.FullNAT
		o := engine.Options{Kernel: ipvstest.New(), SNAT: r, State: t.TempDir()}
		d := engine.New(o)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		for _, servers := range [][]director.VirtualServer{{vs}, {pool(1)}, {}} {
			if err := d.Apply(ctx, servers); err != nil {
				t.Error(err)
			}
		}
		if r.len() != 0 || !r.holds() {
			t.Errorf("after the reload %d rules, in place: %t", r.len(), r.holds())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		settled(t, o, director.Settings{}, func(_ *engine.Engine, err error) {
			if err != nil || !r.holds() {
				t.Errorf("after the new start: %v, in place: %t", err, r.holds())
			}
		}, pool(1))
		if r.holds() {
			t.Error("after the stop the place is there")
		}
	})
}
