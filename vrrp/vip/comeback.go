package vip

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Pauses before an instance that gave way is tried again. One that gives way again
// and again waits longer each time: its peers lose their connections each time that
// it comes back.
const (
	firstTrial = time.Second
	mostTrial  = 10 * time.Second // between two trials that fail
	mostReturn = 5 * time.Minute  // before the first trial
	wellAfter  = time.Minute      // of holding everything, what was before is forgotten
)

// comeback is how an instance that gave way finds its way back.
type comeback struct {
	heldAt time.Time     // since when everything has been held; zero while it is not
	trial  time.Time     // the next one
	pause  time.Duration // after a trial that fails
	wait   time.Duration // before the first trial, the last time
}

// note takes what happened meanwhile.
func (c *comeback) note(w desired, now time.Time) {
	if w.renewed {
		*c = comeback{heldAt: c.heldAt}
	}
	if !w.gaveWay {
		return
	}
	if !c.heldAt.IsZero() && now.Sub(c.heldAt) > wellAfter {
		c.wait = 0
	}
	c.wait = min(max(firstTrial, 2*c.wait), mostReturn)
	c.trial, c.pause, c.heldAt = now.Add(c.wait), 0, time.Time{}
}

// comeBack tells the owner that everything can be held again, once a trial says so.
// It gives the time of the next one; zero for none.
func (k *worker) comeBack(p plan, failed string) time.Time {
	c := &k.work.comeback
	if failed != "" || !k.told() {
		return time.Time{}
	}
	if now := time.Now(); now.Before(c.trial) {
		return c.trial
	}
	if err := k.try(p); err != nil {
		c.pause = min(max(firstTrial, 2*c.pause), mostTrial)
		c.trial = time.Now().Add(c.pause)
		return c.trial
	}
	k.trust()
	return time.Time{}
}

// try puts stand-ins for what an active instance holds into the kernel, in order, and
// takes them away again. What the kernel refuses them it would refuse the real ones,
// which cannot be tried: a peer has them.
func (k *worker) try(p plan) error {
	done := map[Object]bool{}
	var tried []Object
	defer func() {
		for i := range tried {
			_ = k.m.o.Kernel.Remove(tried[len(tried)-1-i]) // of another instance's trial, perhaps
		}
	}()
	for _, o := range p.objects {
		s, ok := standIn(o, p)
		if !ok || done[s.Identity()] {
			continue
		}
		done[s.Identity()] = true
		err := k.m.o.Kernel.Add(s)
		if path(o) || errors.Is(err, syscall.ENODEV) && p.spare[o.Identity()] {
			continue // the instance does without it while its interface is not there
		}
		if err != nil && !isThere(err) {
			return fmt.Errorf("%s: %w", o, err)
		}
		tried = append(tried, s)
	}
	return nil
}
