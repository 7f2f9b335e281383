package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// soak lets both programs' pairs run undisturbed for a while, and counts the
// takeovers, none of which has a cause but a late advertisement.
func soak(ctx context.Context, base, binary string, interval time.Duration, o options) (err error) {
	benches, end, err := startBenches(ctx, base, binary, interval, o, 1)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return err
	}
	w, err := startWatch(ctx)
	if err != nil {
		return err
	}
	for _, b := range benches {
		b.wire.reset()
	}
	if err := pause(ctx, o.soak); err != nil {
		return err
	}
	if err := w.report(os.Stdout); err != nil {
		return err
	}
	for _, b := range benches {
		takeovers, gaps := b.wire.undisturbed(interval)
		fmt.Printf("%-11s %-9v %-8v takeovers %d, between two advertisements median %v, p99 %v, most %v\n", b.program.name(), interval, o.soak,
			takeovers, gaps[len(gaps)/2].Round(time.Microsecond), gaps[len(gaps)*99/100].Round(time.Microsecond), gaps[len(gaps)-1].Round(time.Microsecond))
	}
	return nil
}

// undisturbed counts how often B began to speak, and gives the times between A's
// adverts, sorted.
func (w *wire) undisturbed(interval time.Duration) (takeovers int, gaps []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lastA, lastB time.Time
	for _, s := range w.seen {
		switch {
		case s.kind != advert:
		case s.from == w.macA:
			if !lastA.IsZero() {
				gaps = append(gaps, s.at.Sub(lastA))
			}
			lastA = s.at
		case s.from == w.macB:
			if s.at.Sub(lastB) > 5*interval {
				takeovers++
			}
			lastB = s.at
		}
	}
	slices.Sort(gaps)
	if len(gaps) == 0 {
		gaps = []time.Duration{0}
	}
	return takeovers, gaps
}
