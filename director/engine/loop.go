package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/vrrp/statefile"
)

// How soon Run looks again.
const (
	firstPoll = 100 * time.Millisecond // connections of a server that was just told to drain
	nextPoll  = time.Second            // and from then on
	minRetry  = 100 * time.Millisecond // after the kernel refused something, doubled up to maxRetry
	maxRetry  = 30 * time.Second
)

// loopState is what Run remembers between passes.
type loopState struct {
	configured bool
	resync     time.Time     // when the whole table is compared next
	table      pace          // of the looks at the table, see glance
	others     pace          // of those at everything else
	turn       int           // of the services, where the table is large
	reading    time.Duration // what it took to read the table
	poll       time.Time     // when connections of draining servers are counted next; zero for not
	backoff    time.Duration
	uncertain  map[ipvs.ServiceKey]bool // what became of an operation is unknown: the shadow may be wrong
	timed      map[string]bool          // pools that change by themselves
	owed       *request                 // in the kernel as far as is believed, and not yet compared with it
	settings   *director.Settings       // nil until Configure
	timeouts   ipvs.Timeouts            // as last left
	daemons    []ipvs.SyncDaemon        // the same
	syncStop   time.Time                // when the sync daemon of the role before is stopped; zero for none
	rules      []director.SNATRule      // as last kept
	watching   bool                     // the packet filter tells of changes of them
	watchers   sync.WaitGroup           // goroutines of Run
}

// Run works until ctx is done, then returns nil and leaves the kernel as it is.
// It is an error if what is remembered in the state folder cannot be read at all.
func (d *Engine) Run(ctx context.Context) error {
	if err := d.remember(true); err != nil {
		return err
	}
	l := &d.loop
	l.uncertain, l.timed = map[ipvs.ServiceKey]bool{}, map[string]bool{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer l.watchers.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.kick:
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return nil
		}
		d.step()
		d.pass()
		d.watchSNAT(ctx)
		d.rest()
		if at := l.next(d); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
	}
}

// step notes that Run gets on to something that the kernel is asked for.
func (d *Engine) step() { d.busy(time.Now()) }

// rest notes that Run has nothing to do.
func (d *Engine) rest() { d.busy(time.Time{}) }

func (d *Engine) busy(since time.Time) {
	d.mu.Lock()
	d.stats.Busy = since
	d.mu.Unlock()
}

// remember loads the state folder once. What is damaged there is an error, or with
// repair is set aside, so that a bad file does not keep traffic from its servers, and
// what was left half written is cleared.
func (d *Engine) remember(repair bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loaded {
		return nil
	}
	if path := d.file(); repair && path != "" {
		statefile.Clear(path)
	}
	m, err := loadMemory(d.file(), bootID())
	var bad damaged
	if repair && errors.As(err, &bad) {
		var aside string
		if aside, err = bad.setAside(); err == nil {
			d.queued = append(d.queued, director.Event{Time: time.Now(), Kind: director.EventDamaged, Reason: fmt.Sprintf(
				"%v; it is kept as %s: overrides are lost, services of an earlier configuration stay in the kernel, and so do the kernel settings (sysctl, IPVS timeouts) that usher has changed, "+
					"for the values that they had before are lost, too: sysctl -w puts them back, the file may still show them", bad, aside)})
		}
	}
	if err != nil {
		return err
	}
	d.memory, d.owned, d.loaded = m, m.owns(), true
	d.resumeTerms(time.Now(), repair)
	return nil
}

// next is when the next pass is due by the clock; zero for never.
func (l *loopState) next(d *Engine) time.Time {
	if !l.configured {
		return time.Time{}
	}
	at := l.resync
	for _, look := range []pace{l.table, l.others} {
		if !look.at.IsZero() && look.at.Before(at) {
			at = look.at
		}
	}
	if !l.poll.IsZero() && l.poll.Before(at) {
		at = l.poll
	}
	if !l.syncStop.IsZero() && l.syncStop.Before(at) {
		at = l.syncStop
	}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if end, ok := d.terms.next(); ok {
		if end := now.Add(end - d.uptime(now)); end.Before(at) {
			at = end
		}
	}
	for name := range l.timed {
		if p := d.pools[name]; p != nil {
			if next := p.Deadline(now); !next.IsZero() && next.Before(at) {
				at = next
			}
		}
	}
	return at
}

// pass brings the kernel to what is wanted now: the services of pools that
// changed, or everything where the whole table is due.
func (d *Engine) pass() {
	now := time.Now()
	l := &d.loop
	d.mu.Lock()
	req, set := d.pending.joined(l.owed), d.settings
	d.pending, d.settings, l.owed = nil, nil, nil
	events := d.queued
	d.queued = nil
	d.mu.Unlock()
	defer func() { d.emit(events) }()

	if set != nil {
		l.settings = &set.settings
	}
	disturbed := d.spotCheck(now)
	// Where answers were lost, nothing may be planned on what is only believed.
	quick := d.takeKnown(req, now)
	full := !quick && (l.configured && (!now.Before(l.resync) || len(l.uncertain) > 0) || req != nil)
	if full {
		d.troubles.begin()
		if err := d.compare(req, now, &events); err != nil {
			d.refused(req, err, &events)
			full, req = false, nil
		}
	}
	d.step()
	var errs []error
	lingered := !l.syncStop.IsZero() && !now.Before(l.syncStop)
	if full || set != nil || d.takeRoles() || lingered || disturbed {
		errs = append(errs, d.keepSettings(&events)...)
		if set != nil {
			set.answer(errors.Join(errs...))
		}
	}
	if !l.configured || d.unread() || len(l.uncertain) > 0 {
		return
	}
	if !l.poll.IsZero() && !now.Before(l.poll) {
		d.pollDrains(now, &events)
	}
	d.mu.Lock()
	d.liftEnded(now, true)
	d.mu.Unlock()
	d.step()
	if d.takeFiltered() || full || quick {
		errs = append(errs, d.keepSNAT(&events))
	}
	errs = append(errs, d.apply(d.evaluate(full || quick, now, &events), &events)...)
	d.finish(full, errors.Join(errs...), &events)
	if quick {
		l.owed, l.resync = req, now
		d.wake()
	} else if req != nil {
		req.answer(errors.Join(errs...))
	}
}

// refused handles a kernel that cannot be read: whoever waits hears of it, and the
// configuration is tried again.
func (d *Engine) refused(req *request, err error, events *[]director.Event) {
	d.report(err.Error(), director.Event{Time: time.Now(), Kind: director.EventError, Reason: err.Error()}, events)
	d.mu.Lock()
	if req != nil && !req.taken && d.pending == nil {
		d.pending = &request{servers: req.servers}
	}
	d.stats.LastError = err.Error()
	d.mu.Unlock()
	d.retryLater()
	if req != nil {
		d.loop.configured = true // there is something to retry
		req.answer(err)
	}
}

// unread tells whether the kernel's table has never been seen.
func (d *Engine) unread() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shadow == nil
}

// joined is the newer request, whose outcome those hear who wait for the older one,
// too. Either may be nil.
func (r *request) joined(older *request) *request {
	if r == nil {
		return older
	}
	if older != nil {
		r.done = append(r.done, older.done...)
	}
	return r
}

func (r *request) answer(err error) {
	for _, done := range r.done {
		done <- err
	}
	r.done = nil
}
