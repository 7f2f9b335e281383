package vip

import (
	"context"
	"time"
)

// grace is how long an instance may be without something that it should hold
// before its peers are given a chance.
const grace = time.Second

// doubt is what an instance should hold and does not. It is kept apart from a
// worker's work, which may wait for the kernel for as long as that likes.
type doubt struct {
	since  time.Time // zero where everything is held
	reason string
	active bool   // the instance has been active with it
	told   string // what the owner was told; "" where it holds or can hold everything
}

// expect begins or ends the time in which everything has to be held; k.mu is held.
func (k *worker) expect(active bool) {
	switch {
	case !active && k.doubt.active:
		k.doubt.since, k.doubt.active = time.Time{}, false
	case active && !k.active.Load():
		k.begin("the kernel has not answered yet", true)
	}
}

// suspect notes that something seems not to be held; k.mu is held.
func (k *worker) suspect(reason string) {
	if k.doubt.since.IsZero() {
		k.begin(reason, k.active.Load())
	}
}

// progress notes that the work goes on: to take over a thousand addresses takes a while.
func (k *worker) progress() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.doubt.since.IsZero() {
		k.doubt.since = time.Now()
	}
}

// doubted notes what a look at everything found.
func (k *worker) doubted(failed string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if failed == "" {
		k.doubt.since = time.Time{}
		return
	}
	k.suspect(failed)
	k.doubt.reason = failed
}

// told says whether the owner has been told that something is not held.
func (k *worker) told() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.doubt.told != ""
}

// trust tells the owner that everything can be held.
func (k *worker) trust() {
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	told := k.doubt.told
	k.doubt.since, k.doubt.told = time.Time{}, ""
	k.mu.Unlock()
	if told != "" {
		k.m.o.Unheld(k.name, "")
	}
}

// judgeEvery is how often the doubts are looked at.
const judgeEvery = grace / 4

// judge tells the owners of all instances that have lacked something for too long.
// It never waits for the kernel. While nothing is lacked it sleeps.
func (m *Manager) judge(ctx context.Context) {
	every := time.NewTicker(judgeEvery)
	defer every.Stop()
	var last time.Time
	for {
		every.Stop()
		select {
		case <-ctx.Done():
			return
		case since := <-m.doubts:
			if since.After(last) { // else it was looked at already
				last = since
			}
		}
		every.Reset(judgeEvery)
		for doubts := true; doubts; {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
			stood := time.Since(last) > 2*judgeEvery // the whole process: no worker could do anything
			last = time.Now()
			doubts = false
			for _, k := range m.all() {
				if stood {
					k.progress()
				}
				doubts = k.accuse() || doubts
			}
		}
	}
}

// begin notes since when something is lacked, for the judge; k.mu is held.
func (k *worker) begin(reason string, active bool) {
	k.doubt.since, k.doubt.reason, k.doubt.active = time.Now(), reason, active
	select {
	case k.m.doubts <- k.doubt.since:
	default: // the judge will look anyway
	}
}

// accuse tells the owner where the instance has lacked something for too long. It
// says whether it lacks anything.
func (k *worker) accuse() (lacks bool) {
	k.telling.Lock()
	defer k.telling.Unlock()
	reason, lacks := k.overdue()
	if reason != "" {
		k.m.o.Unheld(k.name, reason)
	}
	return lacks
}

// overdue gives what the owner has to be told now, "" for nothing, and whether
// anything is lacked.
func (k *worker) overdue() (reason string, lacks bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := &k.doubt
	if d.since.IsZero() || time.Since(d.since) < grace-judgeEvery || d.told == d.reason {
		return "", !d.since.IsZero()
	}
	if d.told == "" && d.active {
		k.desired.gaveWay = true
	}
	d.told = d.reason
	k.poke()
	return d.told, true
}
