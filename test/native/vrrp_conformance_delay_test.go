package native

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// preempt_delay: an inferior active router is obeyed for that long from its first advert
// on, then it is preempted as RFC 9568 section 6.4.2 has it: it is not heard any more, and
// Active_Down_Interval passes. The delay is for nothing else: a router that resigns is
// succeeded after Skew_Time.
func TestConformance_PreemptDelay(t *testing.T) {
	const (
		interval = 100 * time.Millisecond
		delay    = time.Second
		step     = interval / 5 // between two adverts of the inferior router
	)
	s := timed(t, fmt.Sprintf(tenth, `  preempt_delay = "1s"`))
	s.await("active")
	// obey has usher obey an inferior router until ok. It gives when that said something
	// for the last time before the delay was over for sure; ok is false where this machine
	// was too busy to keep usher down.
	obey := func(done func() bool) (last time.Time, ok bool) {
		s.say(message{priority: 200})
		s.await("backup")
		s.say(message{priority: 200})
		s.forget()
		tick := time.NewTicker(step)
		defer tick.Stop()
		first := s.say(message{priority: 99})
		last, ok = first, true
		for before := first; !done(); <-tick.C {
			at := s.say(message{priority: 99})
			ok = ok && at.Sub(before) < 2*interval
			if before = at; at.Sub(first) < delay-step/2 {
				last = at
			}
		}
		return last, ok
	}
	timely(t, "the first advert after preempt_delay", 3*interval+skewOf(interval), func() time.Duration {
		last, ok := obey(func() bool { return len(s.adverts()) > 0 })
		h := s.nextAdvert()
		s.await("active")
		if !ok {
			return time.Hour
		}
		return h.at.Sub(last)
	})
	timely(t, "the first advert after a resignation", skewOf(interval), func() time.Duration {
		_, ok := obey(func() bool { return true })
		at := s.say(message{priority: 0})
		h := s.nextAdvert()
		s.await("active")
		if !ok {
			return time.Hour
		}
		return h.at.Sub(at)
	})
}

// startup_delay: no takeover that soon after the start, not even by the owner (which
// RFC 9568 section 6.4.1 has active at once). Adverts are heard meanwhile.
func TestConformance_StartupDelay(t *testing.T) {
	const delay = 3 * time.Second
	for _, tt := range []struct {
		name, priority string
		peer           message // that says something soon after the start
		takesOver      bool
	}{
		{"inferior", "100", message{priority: 99}, true},
		{"superior", "100", message{priority: 200, interval: 3 * time.Second}, false},
		{"owner", "255", message{priority: 99}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := conformance(t, "")
			started := time.Now()
			file := labtest.File(t, s.lab.A, "usher.hcl", strings.Replace(fmt.Sprintf(tenth, "  startup_delay = \"3s\""), "= 100", "= "+tt.priority, 1))
			labtest.Start(t, s.lab.A, "-c", file)
			labtest.Must(t, lab.Until(t.Context(), "the peer is heard", func() error {
				s.say(tt.peer)
				if is := s.status(); is.State != "backup" || is.ActiveRouter != peerAddress {
					return fmt.Errorf("it is %s, the active router %q", is.State, is.ActiveRouter)
				}
				return nil
			}))
			if !tt.takesOver {
				s.quiet(delay) // less than Active_Down_Interval
				return
			}
			if took := s.nextAdvert().at.Sub(started); took < delay {
				t.Errorf("the first advert %v after the start, not %v", took, delay)
			}
			s.await("active")
			labtest.Must(t, s.lab.A.AwaitVIP(t.Context(), true))
		})
	}
}

// down_timer_adverts: so many intervals of silence in place of the three of RFC 9568
// section 6.1.
func TestConformance_DownTimerAdverts(t *testing.T) {
	const interval, adverts = 100 * time.Millisecond, 7
	s := timed(t, fmt.Sprintf(tenth, fmt.Sprintf("  down_timer_adverts = %d", adverts)))
	s.await("active")
	timely(t, "the first advert", adverts*interval+skewOf(interval), func() time.Duration {
		s.say(message{priority: 200})
		s.await("backup")
		s.forget()
		at := s.say(message{priority: 200})
		h := s.advertAfter(at)
		s.await("active")
		return h.at.Sub(at)
	})
}
