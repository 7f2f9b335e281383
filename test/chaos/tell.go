package chaos

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// Story is a sequence in a world.
type Story struct {
	Name  string // for people; it says how to repeat it
	Setup Setup
	Steps []Step
}

// Tell lives through stories, some side by side. One that fails fails the test; it is
// told with the shortest sequence that fails likewise, whose logs are kept.
func Tell(t *testing.T, o Options, all []Story) {
	t.Helper()
	next := make(chan Story)
	var worlds sync.WaitGroup
	for range max(1, min(o.Worlds, len(all))) {
		worlds.Go(func() {
			for st := range next {
				st.live(t, o)
			}
		})
	}
	for _, st := range all {
		next <- st
	}
	close(next)
	worlds.Wait()
}

func (st Story) live(t *testing.T, o Options) {
	out, err := Run(t.Context(), o, st.Setup, st.Steps)
	if err != nil {
		t.Errorf("%s: the world itself: %v", st.Name, err)
		return
	}
	if !out.Failed() {
		if o.Tell {
			t.Log(out.Trace)
		}
		return
	}
	t.Logf("%s fails: %s; it is shortened", st.Name, out.Faults[0])
	short := Shrink(st.Steps, o.Attempts, func(less []Step) bool {
		again, err := Run(t.Context(), o, st.Setup, less)
		if err != nil || !again.Failed() {
			return false
		}
		if again.Faults[0].Kind != out.Faults[0].Kind {
			forget(t, again)
			return false
		}
		forget(t, out)
		out = again
		return true
	})
	var words []string
	for _, s := range short {
		words = append(words, s.String())
	}
	var faults []string
	for _, f := range out.Faults {
		faults = append(faults, f.String())
	}
	t.Errorf("%s fails.\nShortest sequence: %s\n  %s\nLogs, tables and trace: %s",
		st.Name, strings.Join(words, " "), strings.Join(faults, "\n  "), out.Dir)
}

// forget removes what was kept of a run that another one says better.
func forget(t *testing.T, o *Outcome) {
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Error(err)
	}
}
