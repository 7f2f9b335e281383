package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a way out that fails as often as told and takes its time.
type fake struct {
	mu       sync.Mutex
	told     []string
	failures []error
	takes    time.Duration
	more     int
	busy     bool
	overlaps bool
}

func (f *fake) deliver(ctx context.Context, c Change) error {
	f.mu.Lock()
	f.overlaps = f.overlaps || f.busy
	f.busy = true
	f.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = false
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(f.failures) > 0 {
		err := f.failures[0]
		f.failures = f.failures[1:]
		return err
	}
	f.told = append(f.told, c.State)
	return nil
}

func (f *fake) retries() int   { return f.more }
func (f *fake) String() string { return "fake" }

func (f *fake) heard() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.told)
}

func laneOf(t *testing.T) (l *lane, failures *int, stop func()) {
	t.Helper()
	failures = new(int)
	l = newLane(func(_ delivery, err error) {
		if err != nil {
			*failures++
		}
	})
	ctx, kill := context.WithCancel(t.Context())
	closing, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx, closing)
	}()
	stop = func() {
		cancel()
		<-done
		kill()
	}
	return l, failures, stop
}

func TestLaneKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, stop := laneOf(t)
		f := &fake{takes: time.Second}
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint(i))
			l.put(delivery{Change{Name: "web", State: fmt.Sprint(i)}, f})
		}
		stop()
		if got := f.heard(); !slices.Equal(got, want) || f.overlaps {
			t.Errorf("told %v, overlapping %v", got, f.overlaps)
		}
	})
}

// TestLaneLeavesOutTheSuperseded: the last state of each thing is told, however
// slow the way out is; what is left out lay between.
func TestLaneLeavesOutTheSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, stop := laneOf(t)
		f := &fake{takes: time.Second}
		for i := range 200 {
			l.put(delivery{Change{Name: "web", State: fmt.Sprintf("web%d", i)}, f})
			l.put(delivery{Change{Name: "mail", State: fmt.Sprintf("mail%d", i)}, f})
		}
		stop()
		got := f.heard()
		if len(got) > 2*backlog || !slices.Contains(got, "web199") || !slices.Contains(got, "mail199") {
			t.Errorf("told %v", got)
		}
	})
}

func TestLaneTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, failures, stop := laneOf(t)
		f := &fake{more: 3, failures: slices.Repeat([]error{errors.New("refused")}, 3)}
		start := time.Now()
		l.put(delivery{Change{State: "active"}, f})
		l.put(delivery{Change{State: "backup"}, f})
		<-time.After(10 * time.Second)
		synctest.Wait()
		if got := f.heard(); !slices.Equal(got, []string{"active", "backup"}) || *failures != 0 {
			t.Errorf("told %v, %d failures, after %v", got, *failures, time.Since(start))
		}
		stop()
	})
}

// TestLaneLastStateArrives: when all retries are used up, the last state is still
// tried, until it is through; one that is superseded is given up.
func TestLaneLastStateArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, failures, stop := laneOf(t)
		f := &fake{more: 2, failures: slices.Repeat([]error{errors.New("refused")}, 20)}
		l.put(delivery{Change{State: "active"}, f})
		<-time.After(10 * time.Second)
		l.put(delivery{Change{State: "backup"}, f})
		<-time.After(time.Hour)
		synctest.Wait()
		if got := f.heard(); !slices.Equal(got, []string{"backup"}) {
			t.Errorf("told %v; want the last state", got)
		}
		if *failures != 2 {
			t.Errorf("%d failures told; want one for each change", *failures)
		}
		stop()
	})
}

func TestLaneGivesUpWhatIsPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, failures, stop := laneOf(t)
		f := &fake{more: 5, failures: []error{fmt.Errorf("%w: 404", errPermanent)}}
		l.put(delivery{Change{State: "active"}, f})
		l.put(delivery{Change{State: "backup"}, f})
		synctest.Wait()
		if got := f.heard(); !slices.Equal(got, []string{"backup"}) || *failures != 1 {
			t.Errorf("told %v, %d failures", got, *failures)
		}
		stop()
	})
}

// TestLaneClosing: at the end one attempt is made for what waits, and no pause is
// sat through.
func TestLaneClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, failures, stop := laneOf(t)
		f := &fake{more: 5, failures: slices.Repeat([]error{errors.New("refused")}, 100)}
		l.put(delivery{Change{State: "active"}, f})
		l.put(delivery{Change{State: "stop"}, f})
		synctest.Wait()
		start := time.Now()
		stop()
		if took := time.Since(start); took > 0 || *failures != 2 {
			t.Errorf("took %v, %d failures", took, *failures)
		}
	})
}

// countedFake counts how often it is looked at.
type countedFake struct {
	fake
	looks int
}

func (n *countedFake) String() string {
	n.looks++
	return "fake"
}

// TestLaneOfManyThings: a rack of servers that fails at once is told of one by one, and
// whoever reports the last is not held up by those that wait.
func TestLaneOfManyThings(t *testing.T) {
	const many = 200
	l := newLane(func(delivery, error) {})
	f := &countedFake{}
	for i := range many {
		l.put(delivery{Change{Kind: RealServer, Name: fmt.Sprint(i), State: "down"}, f})
	}
	if f.looks > 10*many {
		t.Errorf("%d looks at what waits to put %d: the work grows with the square of it, or more", f.looks, many)
	}
	l.put(delivery{Change{Kind: RealServer, Name: "0", State: "up"}, f})
	if d, _ := l.take(); d.change.Name != "1" || len(l.pending) != many-1 {
		t.Errorf("first is %+v, %d wait; what a later change supersedes should be left out, and nothing else", d.change, len(l.pending))
	}
}
