package track

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
)

// TestReload_KeepsTheState: a track whose settings change is up or down as it was until
// enough runs say otherwise, whatever its initial state is; weight and reverse count at once.
func TestReload_KeepsTheState(t *testing.T) {
	script := vrrp.Track{Kind: vrrp.TrackScript, Name: "s", Command: []string{"/bin/true"}, Interval: time.Hour, Timeout: 5 * time.Second, Rise: 1, Fall: 2}
	tr := start(t, instance("web", script))
	if got := tr.next(t); got.Fault {
		t.Fatalf("at the start: %+v", got)
	}
	slower := script
	slower.Interval, slower.Initial, slower.Command = 2*time.Hour, "down", []string{"/bin/sleep", "60"}
	tr.Apply([]vrrp.Config{instance("web", slower)})
	if got := tr.next(t); got.Fault {
		t.Errorf("settings that changed: %+v", got)
	}
	slower.Reverse = true
	tr.Apply([]vrrp.Config{instance("web", slower)})
	if got := tr.next(t); !got.Fault {
		t.Errorf("reversed: %+v", got)
	}
	other := script
	other.Name = "other"
	other.Command = []string{"/bin/false"}
	tr.Apply([]vrrp.Config{instance("web", other)})
	if got := tr.next(t); !got.Fault || got.key != "script/other" {
		t.Errorf("another script starts from nothing: %+v", got)
	}
	select {
	case s := <-tr.reports:
		t.Errorf("and then %+v", s)
	default:
	}
}

// TestReload_CountsOn: what is known needs the whole fall to change.
func TestReload_CountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		probe := func(context.Context) error { return errors.New("bad") }
		done := make(chan struct{})
		go func() {
			defer close(done)
			c := newCounter(vrrp.Track{Fall: 3, Initial: "down"}).from(&result{up: true})
			every(ctx, time.Second, c, probe, func(up bool, _ error) {
				if !up {
					got = append(got, time.Since(began))
				}
			})
		}()
		time.Sleep(10 * time.Second)
		cancel()
		<-done
		if len(got) != 1 || got[0] != 2*time.Second {
			t.Errorf("down after %v, want once, after the third run", got)
		}
	})
}

// TestReload_SettledFromBefore: a process that is gone just when its track is reloaded
// has its delay, too.
func TestReload_SettledFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan bool, 9)
		say := settled(t.Context(), 0, 5*time.Second, &result{up: true}, func(r result) { got <- r.up })
		say(result{})
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(got) > 0 {
			t.Errorf("told %d times before its delay", len(got))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(got); n != 1 || <-got {
			t.Errorf("told %d times, want once, of a process that is gone", n)
		}
	})
}
