package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"usher/test/lab"
)

// Action is one kind of thing that may happen to a director.
type Action struct {
	Name string
	// Fits says whether it makes sense for a setup; nil for always.
	Fits func(Setup) bool
	Do   func(*scene)
}

// scene is where and to whom an action happens, with draws of its own.
type scene struct {
	ctx context.Context
	w   *World
	d   *Director
	r   *rand.Rand
}

// Step is an action in a sequence. It carries its own draws, so that it does the same
// when others are left out.
type Step struct {
	Action   string
	Director int
	Draw     uint32
	Pause    time.Duration // after it
}

// String is the step as ParseStep reads it: link-down@a:1f+200ms.
func (s Step) String() string {
	return fmt.Sprintf("%s@%c:%x+%s", s.Action, 'a'+rune(s.Director), s.Draw, s.Pause)
}

// ParseStep reads what String writes.
func ParseStep(text string) (Step, error) {
	name, rest, ok := strings.Cut(text, "@")
	where, rest, ok2 := strings.Cut(rest, ":")
	draw, pause, ok3 := strings.Cut(rest, "+")
	if !ok || !ok2 || !ok3 || len(where) != 1 {
		return Step{}, fmt.Errorf("step %q is not ACTION@DIRECTOR:DRAW+PAUSE", text)
	}
	if _, ok := actions()[name]; !ok {
		return Step{}, fmt.Errorf("step %q: there is no such action", text)
	}
	n, err := strconv.ParseUint(draw, 16, 32)
	if err != nil {
		return Step{}, fmt.Errorf("step %q: %w", text, err)
	}
	p, err := time.ParseDuration(pause)
	return Step{name, int(where[0] - 'a'), uint32(n), p}, err
}

// DrawSteps draws a sequence of 5 to 15 actions for a setup.
func DrawSteps(seed uint64, s Setup) []Step {
	r := rand.New(rand.NewPCG(seed, 2))
	var fitting []Action
	for _, a := range Catalogue() {
		if a.Fits == nil || a.Fits(s) {
			fitting = append(fitting, a)
		}
	}
	own := fitting
	if s.BGP != nil { // every other one is of those that are about it
		own = bgpActions()
	}
	steps := make([]Step, 5+r.IntN(11))
	for i := range steps {
		drawn := fitting
		if i%2 == 0 {
			drawn = own
		}
		steps[i] = Step{
			Action: drawn[r.IntN(len(drawn))].Name, Director: r.IntN(s.Directors), Draw: r.Uint32(),
			Pause: time.Duration(pick(r, 0, 0, 20, 50, 100, 200, 400, 800)) * time.Millisecond,
		}
	}
	return steps
}

// Catalogue is everything that can happen.
func Catalogue() []Action {
	var all []Action
	for _, part := range [][]Action{
		linkActions(), macvlanActions(), addressActions(), routingActions(), settingActions(), filterActions(), networkActions(),
		processActions(), stateActions(), trackActions(), reloadActions(), operatorActions(), poolActions(), bgpActions(),
	} {
		all = append(all, part...)
	}
	return all
}

func actions() map[string]Action {
	all := map[string]Action{}
	for _, a := range Catalogue() {
		all[a.Name] = a
	}
	return all
}

// do makes a step happen, and waits as long as it says.
func (w *World) do(ctx context.Context, s Step) {
	if s.Director >= len(w.directors) {
		s.Director = 0
	}
	d := w.directors[s.Director]
	w.note("%s", s)
	actions()[s.Action].Do(&scene{ctx: ctx, w: w, d: d, r: rand.New(rand.NewPCG(uint64(s.Draw), 3))})
	wait(ctx, s.Pause)
}

// wait lets time pass in which nobody does anything.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// instance draws one of the director's instances.
func (s *scene) instance() Instance { return pick(s.r, s.d.setup.Instances...) }

// link draws an interface of the director that an instance uses, mostly.
func (s *scene) link() string {
	if chance(s.r, 20) {
		return pick(s.r, "eth0", "eth1")
	}
	return pick(s.r, s.instance().links()...)
}

// stays says whether what was done is left as it is: the person comes later.
func (s *scene) stays() bool { return chance(s.r, 20) }

// ip runs `ip` on the director.
func (s *scene) ip(words string, a ...any) { s.sh("ip " + fmt.Sprintf(words, a...)) }

// sh runs a command line of plain words on the director.
func (s *scene) sh(words string) { s.on(s.d.Node, words) }

func (s *scene) on(n *lab.Node, words string) { s.w.sh(s.ctx, n, strings.Fields(words)...) }

// holder is the director that is active for an instance, the scene's own where
// there is none.
func (s *scene) holder(in Instance) *Director {
	ctx, cancel := context.WithTimeout(s.ctx, time.Second) // one that is stopped does not answer
	defer cancel()
	for _, d := range s.w.directors {
		if d.running() && d.State(ctx, in.Name) == "active" {
			return d
		}
	}
	return s.d
}

// toward makes the scene one of the active director, mostly.
func (s *scene) toward(in Instance) {
	if chance(s.r, 70) {
		s.d = s.holder(in)
	}
}
