package vrrpproc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/vip"
)

// will is what the guard does about one active instance of a child that has died.
type will struct {
	Instance    string            `json:"instance"`
	Resign      []engine.Outgoing `json:"resign,omitempty"`
	Addresses   []vip.Address     `json:"addresses,omitempty"`
	LocalRoutes []vip.LocalRoute  `json:"local_routes,omitempty"`
	// Down is Active_Down_Interval: when peers take over that hear nothing.
	Down time.Duration `json:"down,omitempty"`
}

// empty says that there is nothing to be done.
func (w will) empty() bool {
	return len(w.Resign) == 0 && len(w.Addresses) == 0 && len(w.LocalRoutes) == 0
}

// testament is one line of JSON between child and guard, in either direction. A guard
// that comes after another one finds the end of a line that the other had begun to
// read: no such rest is a document, so it is skipped.
type testament struct {
	PID     int      `json:"pid,omitempty"`     // the child's
	Secrets []string `json:"secrets,omitempty"` // the child's: what the guard's log does not show
	Will    *will    `json:"will,omitempty"`    // the child's, for one instance
	Again   bool     `json:"again,omitempty"`   // the guard wants to hear everything
}

func writeTestament(w io.Writer, t testament) error {
	line, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// readTestament reads the next line that says something.
func readTestament(r *bufio.Reader) (t testament, err error) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return testament{}, err
		}
		if err := json.Unmarshal(line, &t); err == nil {
			return t, nil
		}
		t = testament{}
	}
}

// wills are the child's last wills as they stand, level-triggered: whoever changes one
// never waits for the guard, which gets the latest.
type wills struct {
	pid  int
	wake chan struct{}

	mu      sync.Mutex
	down    map[string]time.Duration
	all     map[string]will
	due     map[string]bool // to be told
	named   bool            // the guard was told the process id
	secrets []string
	hidden  bool // the guard was told the secrets
}

func newWills(pid int) *wills {
	return &wills{pid: pid, wake: make(chan struct{}, 1), down: map[string]time.Duration{}, all: map[string]will{}, due: map[string]bool{}}
}

// configure takes how long the peers of each instance wait.
func (w *wills) configure(all []vrrp.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.down)
	for _, c := range all {
		w.down[c.Name] = vrrp.NewMachine(c.Parameters()).DownInterval()
	}
}

// conceal takes the values that nothing shows from now on.
func (w *wills) conceal(secrets []string) {
	w.mu.Lock()
	w.secrets, w.hidden = secrets, false
	w.mu.Unlock()
	w.poke()
}

// resignation is engine.Options.Will.
func (w *wills) resignation(instance string, out []engine.Outgoing) {
	w.change(instance, func(l *will) { l.Resign = out })
}

// objects is vip.Options.Will.
func (w *wills) objects(instance string, objects []vip.Object) {
	w.change(instance, func(l *will) {
		l.Addresses, l.LocalRoutes = nil, nil
		for _, o := range objects {
			switch o := o.(type) {
			case vip.Address:
				l.Addresses = append(l.Addresses, o)
			case vip.LocalRoute:
				l.LocalRoutes = append(l.LocalRoutes, o)
			}
		}
	})
}

func (w *wills) change(instance string, f func(*will)) {
	w.mu.Lock()
	l := w.all[instance]
	f(&l)
	l.Instance, l.Down = instance, w.down[instance]
	if w.all[instance] = l; l.empty() {
		delete(w.all, instance)
	}
	w.due[instance] = true
	w.mu.Unlock()
	w.poke()
}

func (w *wills) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// again has everything told once more: there is another guard.
func (w *wills) again() {
	w.mu.Lock()
	w.named, w.hidden = false, false
	for instance := range w.all {
		w.due[instance] = true
	}
	w.mu.Unlock()
	w.poke()
}

// take gives what is to be told.
func (w *wills) take() (all []testament) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.named {
		w.named = true
		all = append(all, testament{PID: w.pid})
	}
	// Before the wills, of which the guard may have to say something.
	if !w.hidden && len(w.secrets) > 0 {
		w.hidden = true
		all = append(all, testament{Secrets: w.secrets})
	}
	for _, instance := range slices.Sorted(maps.Keys(w.due)) {
		l := w.all[instance]
		l.Instance = instance
		all = append(all, testament{Will: &l})
	}
	clear(w.due)
	return all
}

// run tells the guard at the other end of conn, until the context ends and nothing is
// left to be told.
func (w *wills) run(ctx context.Context, conn io.ReadWriter) error {
	go func() {
		r := bufio.NewReader(conn)
		for {
			t, err := readTestament(r)
			if err != nil {
				return
			}
			if t.Again {
				w.again()
			}
		}
	}()
	for {
		for _, t := range w.take() {
			if err := writeTestament(conn, t); err != nil {
				return fmt.Errorf("vrrp: tell the guard: %w", err)
			}
		}
		select {
		case <-w.wake:
			continue
		default:
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return nil
		}
	}
}
