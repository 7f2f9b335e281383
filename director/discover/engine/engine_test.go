package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/discover"
	"usher/director/discover/engine"
	"usher/director/ipvs"
)

// world has sources that answer as a test says, in virtual time.
type world struct {
	t       *testing.T
	state   string
	mu      sync.Mutex
	answers map[string]discover.Answer // by source; one that hangs is not there
	asked   []string                   // source and second
	kicks   map[string]chan struct{}
	changed []string
	events  []discover.Event
	begin   time.Time
}

func newWorld(t *testing.T, state string) *world {
	return &world{t: t, state: state, answers: map[string]discover.Answer{}, kicks: map[string]chan struct{}{}, begin: time.Now()}
}

// run runs an engine until stop is called.
func (w *world) run(configs ...discover.Config) (e *engine.Engine, stop func()) {
	e = engine.New(engine.Options{Open: w.open, State: w.state,
		Changed: func(name string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed = append(w.changed, name)
		},
		Events: func(e discover.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	synctest.Wait() // it runs before it has anything to ask, as in a daemon that starts
	e.Apply(configs)
	return e, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

type reader struct {
	*world
	name string
	news chan struct{}
}

func (w *world) open(s discover.Source) engine.Reader {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kicks[s.Name] == nil {
		w.kicks[s.Name] = make(chan struct{}, 1)
	}
	return reader{w, s.Name, w.kicks[s.Name]}
}

func (r reader) Changed() <-chan struct{} { return r.news }
func (r reader) Close()                   {}

func (r reader) Read(ctx context.Context) discover.Answer {
	r.mu.Lock()
	r.asked = append(r.asked, fmt.Sprintf("%s %.0f", r.name, time.Since(r.begin).Seconds()))
	a, ok := r.answers[r.name]
	r.mu.Unlock()
	if ok {
		return a
	}
	<-ctx.Done()
	return discover.Fail(discover.ReasonTimeout, "no answer in time")
}

func (w *world) say(source string, a discover.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[source] = a
}

// kick has a source tell that there may be something new.
func (w *world) kick(source string) {
	w.mu.Lock()
	kick := w.kicks[source]
	w.mu.Unlock()
	kick <- struct{}{}
}

// heard gives the pools that changed so far, sorted.
func (w *world) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.changed))
}

func (w *world) hang(source string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.answers, source)
}

// questions gives how often a source was asked so far.
func (w *world) questions(source string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if strings.HasPrefix(a, source+" ") {
			n++
		}
	}
	return n
}

func config(name string, sources ...string) discover.Config {
	c := discover.Config{
		Server: director.VirtualServer{
			Name: name, Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))},
			Service: ipvs.Service{Scheduler: "rr", Netmask: 32}, Forward: director.NAT, Quorum: 1, OnFailure: director.Remove, Discovered: true,
		},
		Default: director.RealServer{Forward: director.NAT},
	}
	for _, s := range sources {
		c.Sources = append(c.Sources, discover.Source{
			Kind: discover.KindDNS, Name: s, Weight: 1, Interval: 30 * time.Second, MinInterval: time.Second, Timeout: 5 * time.Second,
			MaxServers: 100, MaxLeave: 1, DNS: &discover.DNS{Name: s, Type: "A"},
		})
	}
	return c
}

func list(ttl time.Duration, addrs ...string) discover.Answer {
	a := discover.Answer{TTL: ttl}
	for _, text := range addrs {
		a.Entries = append(a.Entries, discover.Entry{Address: netip.AddrPortFrom(netip.MustParseAddr(text), 0), Weight: discover.NoWeight})
	}
	return a
}

func servers(e interface {
	Servers(string) []discover.Server
}, name string) (all []string) {
	for _, s := range e.Servers(name) {
		all = append(all, s.Address.Addr().String())
	}
	return all
}

func expect(t *testing.T, e *engine.Engine, name string, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := servers(e, name); !slices.Equal(got, want) {
		t.Errorf("%s has %v, expected %v", name, got, want)
	}
}

// The TTL says when a source is asked again, within its bounds; a failure is asked again
// soon, and then less and less often.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.say("short", list(time.Millisecond, "10.0.0.1"))
		w.say("long", list(time.Hour, "10.0.0.1"))
		w.say("ten", list(10*time.Second, "10.0.0.1"))
		w.say("broken", discover.Fail(discover.ReasonNXDomain, "NXDOMAIN"))
		_, stop := w.run(config("web", "short", "long", "ten", "broken"))
		time.Sleep(5*time.Minute - time.Millisecond)
		synctest.Wait()
		for source, want := range map[string][2]int{
			"short": {300, 335}, "long": {10, 12}, "ten": {30, 34}, // a tenth is left to chance
			"broken": {14, 17}, // after 1, 2, 4, 8, 16 and then each 30 s
		} {
			if n := w.questions(source); n < want[0] || n > want[1] {
				t.Errorf("%s was asked %d times, expected %v", source, n, want)
			}
		}
		stop()
	})
}

// What changes is told once, pool by pool, and a change that a source tells of by itself
// does not wait for its interval.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.say("a", list(0, "10.0.0.1"))
		w.say("b", list(0, "10.0.0.2"))
		e, stop := w.run(config("web", "a"), config("mail", "b"))
		expect(t, e, "web", "10.0.0.1")
		w.say("a", list(0, "10.0.0.1", "10.0.0.3"))
		w.kick("a")
		time.Sleep(time.Second)
		expect(t, e, "web", "10.0.0.1", "10.0.0.3")
		if changed := w.heard(); !slices.Equal(changed, []string{"mail", "web", "web"}) {
			t.Errorf("changed %v", changed)
		}
		if s := e.Status(); len(s) != 2 || s[0].VirtualServer != "web" || s[0].Servers != 2 || s[0].Age(time.Now()) != 900*time.Millisecond {
			t.Errorf("%+v", s)
		}
		stop()
	})
}

// The last good set is there after a restart, whether the engine was stopped or killed
// meanwhile, and goes with its pool.
func TestStateFolder(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, state)
		w.say("a", list(0, "10.0.0.1", "10.0.0.2"))
		w.say("b", list(0, "10.0.0.9"))
		_, stop := w.run(config("web/../x", "a"), config("mail", "b"))
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait() // written, before any stop
		files, _ := os.ReadDir(filepath.Join(state, "discovered"))
		if len(files) != 2 {
			t.Errorf("files %v", files)
		}
		w.hang("a")
		e, stop2 := newWorldOf(w).run(config("web/../x", "a"))
		expect(t, e, "web/../x", "10.0.0.1", "10.0.0.2")
		if got := servers(once{engine.Kept(state, "web/../x")}, ""); len(got) != 2 {
			t.Errorf("kept %v", got)
		}
		stop2()
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, state)
		_, stop := w.run(config("web/../x", "a"))
		synctest.Wait()
		stop()
		files, _ := os.ReadDir(filepath.Join(state, "discovered"))
		if len(files) != 1 {
			t.Errorf("what is kept of a pool that is gone stays: %v", files)
		}
		if err := os.WriteFile(filepath.Join(state, "discovered", files[0].Name()), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		w = newWorld(t, state)
		e, stop := w.run(config("web/../x", "a"))
		expect(t, e, "web/../x")
		stop()
		if len(w.events) == 0 || w.events[0].Kind != discover.EventDamaged || !strings.Contains(w.events[0].Reason, ".damaged") {
			t.Errorf("%+v", w.events)
		}
		name := filepath.Join(state, "discovered", files[0].Name())
		if err := errors.Join(os.RemoveAll(name), unix.Mkfifo(name, 0o600)); err != nil {
			t.Fatal(err)
		}
		if got := engine.Kept(state, "web/../x"); len(got.Sources) != 0 {
			t.Errorf("kept in a named pipe: %+v", got)
		}
		w = newWorld(t, state)
		_, stop = w.run(config("web/../x", "a"))
		synctest.Wait()
		stop()
		if len(w.events) == 0 || w.events[0].Kind != discover.EventDamaged || !strings.Contains(w.events[0].Reason, "a named pipe") {
			t.Errorf("of a named pipe %+v", w.events)
		}
	})
}

func newWorldOf(w *world) *world { return newWorld(w.t, w.state) }

// once are the servers of a stored pool.
type once struct{ discover.Stored }

func (o once) Servers(string) (all []discover.Server) {
	for _, s := range o.Sources {
		for _, e := range s.Entries {
			all = append(all, discover.Server{RealServer: director.RealServer{Address: e.Address}})
		}
	}
	return all
}

// A reload leaves a source alone that stays, and asks one at once of which something
// changed that its answer depends on.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.say("a", list(0, "10.0.0.1"))
		w.say("b", list(0, "10.0.0.2"))
		e, stop := w.run(config("web", "a"))
		expect(t, e, "web", "10.0.0.1")
		e.Apply([]discover.Config{config("web", "a", "b"), config("mail", "b")})
		expect(t, e, "web", "10.0.0.1", "10.0.0.2")
		if n := w.questions("a"); n != 1 {
			t.Errorf("a was asked %d times", n)
		}
		w.hang("c")
		e.Apply([]discover.Config{config("web", "c", "b")})
		expect(t, e, "web", "10.0.0.1", "10.0.0.2")
		w.say("c", list(0, "10.0.0.7"))
		time.Sleep(10 * time.Second)
		expect(t, e, "web", "10.0.0.7", "10.0.0.2")
		e.Apply(nil)
		before := w.questions("b")
		time.Sleep(10 * time.Minute)
		if n := w.questions("b"); n != before || len(e.Status()) != 0 {
			t.Errorf("nobody wants b, and it was asked %d times more", n-before)
		}
		stop()
	})
}

// A reload that is taken back costs no set, though its source does not answer any more.
func TestReloadTakenBack(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, state)
		w.say("a", list(0, "10.0.0.1"))
		e, stop := w.run(config("web", "a"), config("mail", "a"))
		expect(t, e, "web", "10.0.0.1")
		w.hang("a")
		e.Apply([]discover.Config{config("mail", "a")})
		synctest.Wait() // nothing is kept of it
		e.Apply([]discover.Config{config("web", "a"), config("mail", "a")})
		expect(t, e, "web", "10.0.0.1")
		time.Sleep(time.Minute)
		expect(t, e, "web", "10.0.0.1")
		if got := engine.Kept(state, "web"); len(got.Sources) != 1 {
			t.Errorf("kept %+v", got)
		}
		stop()
	})
}

// Look asks once, on top of what is kept, and changes nothing.
func TestLook(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, state)
		w.say("a", list(0, "10.0.0.1"))
		w.say("b", list(0, "10.0.0.2"))
		_, stop := w.run(config("web", "a", "b"))
		synctest.Wait()
		stop()
		before := content(t, state)
		w.hang("a")
		w.say("b", list(0, "10.0.0.3"))
		o := engine.Look(t.Context(), []discover.Config{config("web", "a", "b")}, state, w.open)
		if got := servers(o, "web"); !slices.Equal(got, []string{"10.0.0.1", "10.0.0.3"}) {
			t.Errorf("%v", got)
		}
		if s := o.Status(); s[0].Failure == nil || s[1].Failure != nil || s[0].Servers != 1 {
			t.Errorf("%+v", s)
		}
		if after := content(t, state); after != before {
			t.Errorf("the state folder changed: %s, was %s", after, before)
		}
	})
}

func content(t *testing.T, state string) (all string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(state, "discovered", "*"))
	for _, name := range names {
		text, readErr := os.ReadFile(name)
		err = errors.Join(err, readErr)
		all += name + string(text)
	}
	if err != nil || len(names) == 0 {
		t.Fatalf("%v: %v", names, err)
	}
	return all
}
