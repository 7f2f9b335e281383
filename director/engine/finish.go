package engine

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// finish closes a pass: what is owned by now is remembered, and a kernel that
// refused something or was not as expected is looked at again soon.
func (d *Engine) finish(full bool, failure error, events *[]director.Event) {
	l := &d.loop
	now := time.Now()
	d.mu.Lock()
	d.forgetRetired()
	if err := d.remembered(); err != nil {
		failure = errors.Join(failure, err)
		d.report(err.Error(), director.Event{Time: now, Kind: director.EventError, Reason: err.Error()}, events)
	}
	if failure != nil {
		d.stats.LastError = failure.Error()
	} else if full {
		d.stats.LastError = ""
	}
	if full {
		d.stats.Passes++
		d.stats.LastPass = now
	}
	d.mu.Unlock()
	for _, look := range []*pace{&l.table, &l.others} {
		if look.at.IsZero() {
			look.begin(now)
		}
	}
	switch {
	case failure != nil:
		if l.backoff == 0 && unexpected(failure) {
			l.backoff = minRetry
			l.resync = now // the table is not what we thought: look at once
			d.wake()
			return
		}
		d.retryLater()
	case full:
		l.backoff = 0
		l.resync = now.Add(d.options.Resync)
		l.table.begin(now)
		*events = append(*events, d.troubles.over(now)...)
	}
}

func (d *Engine) retryLater() {
	l := &d.loop
	l.backoff = min(max(2*l.backoff, minRetry), maxRetry)
	l.resync = time.Now().Add(min(l.backoff, d.options.Resync))
}

// unexpected tells an answer of a kernel that did nothing, because its table was not
// as the director had left it.
func unexpected(err error) bool {
	var missing *ipvs.ModuleError
	if errors.As(err, &missing) {
		return false
	}
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT)
}

// emit hands events on, or logs them where nobody listens.
func (d *Engine) emit(events []director.Event) {
	for _, e := range events {
		if d.options.Events != nil {
			d.options.Events(e)
			continue
		}
		d.log.Info(string(e.Kind), "virtual_server", e.VirtualServer, "real_server", e.RealServer,
			"from", e.From, "to", e.To, "reason", e.Reason)
	}
}

// nameOf gives the virtual server that a service belongs to. Caller holds mu.
func (d *Engine) nameOf(key ipvs.ServiceKey) string {
	if r := d.retired[key]; r != nil {
		return r.Name()
	}
	return d.names[key]
}
