package track

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"usher/vrrp"
)

// Options are where results go.
type Options struct {
	Log *slog.Logger
	// Report takes the present say of a track of an instance whenever it changes.
	// It must not block.
	Report func(instance, key string, a vrrp.Adjustment)
	// Run runs the program of a track_script, as a user (USER or USER:GROUP, "" for this
	// process's own), and gives no error if it succeeds. When the context ends, so does
	// the program, with all that it has started.
	Run func(ctx context.Context, args []string, user string) error
	// Witness takes whether an instance's witness answers, whenever it changes.
	// It must not block.
	Witness func(instance string, reachable bool)
}

// Tracker watches for many instances. New makes it, Run runs it.
type Tracker struct {
	o       Options
	writing time.Duration // for so long an empty file may be about to be written

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	wg      sync.WaitGroup
	sources map[string]*source
}

// result is what a source knows of the thing that it watches.
type result struct {
	up     bool
	value  int // a file's number
	reason string
}

// subscriber takes the results of a source.
type subscriber struct {
	instance string
	track    string               // key of the track; "" for the witness
	say      func(result) outcome // what the result means to it
}

// outcome is what a result means to an instance.
type outcome struct {
	adjustment vrrp.Adjustment
	reachable  bool
}

// source is one thing that is watched, for all who want to know of it.
type source struct {
	watch  watch
	cancel context.CancelFunc // nil until it runs
	subs   []subscriber
	last   *result
}

// watch watches one thing until the context ends and publishes every result that
// differs from the one before. What is known of it already, of a watch with other
// settings, is given: nil for nothing.
type watch func(ctx context.Context, before *result, publish func(result))

// New returns a tracker that watches nothing yet.
func New(o Options) *Tracker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Run == nil {
		o.Run = func(context.Context, []string, string) error {
			return errors.New("there is nothing that runs commands here")
		}
	}
	return &Tracker{o: o, writing: writing, sources: map[string]*source{}}
}

// Apply makes the tracks and witnesses of some instances what is watched.
func (t *Tracker) Apply(instances []vrrp.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	want := map[string]*source{}
	known := t.known()
	add := func(key string, w func() watch, s subscriber) {
		src := want[key]
		if src == nil {
			if src = t.sources[key]; src == nil {
				src = &source{watch: w(), last: known[about{s.instance, s.track}]}
			}
			src.subs = nil
			want[key] = src
		}
		src.subs = append(src.subs, s)
	}
	for _, c := range instances {
		for _, tr := range c.Track {
			if key, w, say := t.watcher(tr); w != nil {
				add(key, w, subscriber{c.Name, tr.Key(), say})
			}
		}
		if c.Witness != nil {
			w := *c.Witness
			add(identity("witness", w), func() watch { return t.witness(w, ping) }, subscriber{c.Name, "", func(r result) outcome { return outcome{reachable: r.up} }})
		}
	}
	for key, src := range t.sources {
		if want[key] == nil && src.cancel != nil {
			src.cancel()
		}
	}
	t.sources = want
	for _, src := range want {
		if src.last != nil {
			t.tell(src)
		}
		if src.cancel == nil && t.ctx != nil {
			t.start(src)
		}
	}
}

// about is one track, or the witness, of one instance, however it is configured.
type about struct{ instance, track string }

// known gives the last results by what they are about; t is locked. A script whose
// interval has changed is up or down as it was until its runs say otherwise.
func (t *Tracker) known() map[about]*result {
	all := map[about]*result{}
	for _, src := range t.sources {
		for _, s := range src.subs {
			all[about{s.instance, s.track}] = src.last
		}
	}
	return all
}

// watcher gives what watches a track: nil for those that others watch.
func (t *Tracker) watcher(tr vrrp.Track) (key string, w func() watch, say func(result) outcome) {
	byState := func(r result) outcome { return outcome{adjustment: tr.Adjustment(r.up, r.reason)} }
	plain := tr // what makes two tracks the same thing to watch
	plain.Weight, plain.Reverse = 0, false
	switch tr.Kind {
	case vrrp.TrackScript:
		return identity("", plain), func() watch { return t.script(plain) }, byState
	case vrrp.TrackProcess:
		return identity("", plain), func() watch { return t.process(plain) }, byState
	case vrrp.TrackFile:
		return identity("", plain), func() watch { return t.file(plain.Name) }, func(r result) outcome { return outcome{adjustment: fileAdjustment(tr, r)} }
	}
	return "", nil, nil
}

// identity is a comparable form of plain data.
func identity(kind string, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%s %#v", kind, v)
	}
	return kind + string(b)
}

// Run watches until the context ends. It can be called once.
func (t *Tracker) Run(ctx context.Context) error {
	t.mu.Lock()
	if t.ctx != nil {
		t.mu.Unlock()
		return fmt.Errorf("vrrp: track: Run called twice")
	}
	t.ctx = ctx
	for _, src := range t.sources {
		t.start(src)
	}
	t.mu.Unlock()
	<-ctx.Done()
	t.wg.Wait()
	return nil
}

// start runs a source; t is locked.
func (t *Tracker) start(src *source) {
	ctx, cancel := context.WithCancel(t.ctx)
	src.cancel = cancel
	before := src.last
	t.wg.Go(func() {
		defer cancel()
		src.watch(ctx, before, func(r result) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if ctx.Err() != nil {
				return
			}
			src.last = &r
			t.tell(src)
		})
	})
}

// tell gives the last result to all who want it; t is locked.
func (t *Tracker) tell(src *source) {
	for _, s := range src.subs {
		o := s.say(*src.last)
		if s.track == "" {
			t.o.Witness(s.instance, o.reachable)
		} else {
			t.o.Report(s.instance, s.track, o.adjustment)
		}
	}
}
