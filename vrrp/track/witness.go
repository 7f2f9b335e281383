package track

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"usher/vrrp"
)

// pinger sends one echo request and waits for the answer, until the context ends.
type pinger func(ctx context.Context, to netip.Addr) error

// errSilent says that no witness answered.
var errSilent = errors.New("no witness answers")

// witness pings all addresses of a witness again and again: it is there while
// one of them answers.
func (t *Tracker) witness(w vrrp.Witness, ping pinger) watch {
	interval := w.Interval
	if interval <= 0 {
		interval = time.Second
	}
	timeout := w.Timeout
	if timeout <= 0 {
		timeout = interval
	}
	return func(ctx context.Context, before *result, publish func(result)) {
		probe := func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return anyOf(ctx, w.Ping, ping)
		}
		every(ctx, interval, counter{rise: 1, fall: 1}.from(before), probe, func(up bool, err error) {
			reason := "witness answers"
			if !up {
				reason = err.Error()
				t.o.Log.Warn("vrrp: no witness answers", "ping", w.Ping, "error", err)
			}
			publish(result{up: up, reason: reason})
		})
	}
}

// anyOf pings all addresses at once and returns at the first answer.
func anyOf(ctx context.Context, all []netip.Addr, ping pinger) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	results := make(chan error, len(all))
	for _, a := range all {
		wg.Go(func() {
			err := ping(ctx, a)
			if err != nil {
				err = fmt.Errorf("ping %s: %w", a, err)
			}
			results <- err
		})
	}
	errs := []error{errSilent}
	for range all {
		err := <-results
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
