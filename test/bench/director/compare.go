package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"usher/conf"
)

// The bounds that usher is held to, as parts of keepalived's times. That of the reload
// is for servers with checks: what takes keepalived long is to compare those, each with
// each; without them it has next to nothing to do.
const (
	startBound  = 1.0 / 3
	reloadBound = 1.0 / 20
)

// reloads is how often usher reloads in each round. keepalived does once: it takes
// long.
const reloads = 3

// series are the times of one program in one setting.
type series struct {
	start, programmed, reload []time.Duration
	operations                string
}

// compare runs both programs by turns, without checks and with, as many rounds as
// there is time for, and prints medians and ratios. A first start of each does not count.
func (m bench) compare(ctx context.Context, o options) error {
	settings := []struct {
		checks, own bool
		title       string
	}{
		{true, false, "a TCP check for each server; servers are in until a check fails (keepalived's way, usher's initial = \"up\")"},
		{true, true, "the same, each check written at its server with address and port, interval 60 s"},
		{false, false, "no checks"},
	}
	var usher, other [3]series
	begun := time.Now()
	// A program's first start reads it from disk, and an emulator translates it.
	for _, p := range []program{keepalived{}, usherProgram{m.usher}} {
		if _, err := m.trial(ctx, p, plan{services: o.services}, 0); err != nil {
			return fmt.Errorf("first start of %s, which does not count: %w", p.name(), err)
		}
	}
	for round := range o.rounds {
		began := time.Now()
		for i, s := range settings {
			what := plan{services: o.services, checks: s.checks, own: s.own}
			for _, turn := range []struct {
				program program
				times   *series
				reloads int
			}{{keepalived{}, &other[i], 1}, {usherProgram{m.usher}, &usher[i], reloads}} {
				r, err := m.trial(ctx, turn.program, what, turn.reloads)
				if err != nil {
					return fmt.Errorf("%s with %d services (%s): %w", turn.program.name(), o.services, s.title, err)
				}
				turn.times.start = append(turn.times.start, r.start)
				turn.times.programmed = append(turn.times.programmed, r.programmed)
				turn.times.reload = append(turn.times.reload, r.reloads...)
				turn.times.operations = r.operations
				fmt.Fprintf(os.Stderr, "round %d, %s, checks %t, at each server %t: start %.2f s (%.2f s from the first service on), reload %.3f s\n",
					round+1, turn.program.name(), s.checks, s.own, r.start.Seconds(), r.programmed.Seconds(), median(r.reloads).Seconds())
			}
		}
		if took := time.Since(began); time.Since(begun)+took > o.budget {
			break
		}
	}
	for i, s := range settings {
		fmt.Printf("\n%d services of %d servers, %s. Medians of %d rounds, in seconds:\n\n", o.services, servers, s.title, len(other[i].start))
		fmt.Println("| | keepalived | usher | ratio | wanted at most |")
		fmt.Println("|---|---|---|---|---|")
		line("from exec to complete", other[i].start, usher[i].start, startBound)
		line("of it, from the first service in the kernel to complete", other[i].programmed, usher[i].programmed, startBound)
		bound := reloadBound
		if !s.checks {
			bound = 0
		}
		line("reload with one weight changed", other[i].reload, usher[i].reload, bound)
		fmt.Printf("\nOperations of usher's reload: %s.\n", usher[i].operations)
		if err := m.floor(ctx, plan{services: o.services, checks: s.checks, own: s.own}); err != nil {
			return err
		}
	}
	return nil
}

// floor prints what of a start comes before the first service: the program itself, from
// exec to the end of one that does nothing, and the reading of the configuration.
func (m bench) floor(ctx context.Context, what plan) error {
	const times = 5
	var execs, reads []time.Duration
	text := usherProgram{m.usher}.text(what)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // as a start reads
	for range times {
		begin := time.Now()
		if err := exec.CommandContext(ctx, m.usher, "version").Run(); err != nil {
			return fmt.Errorf("usher version: %w", err)
		}
		execs = append(execs, time.Since(begin))
		runtime.GC()
		begin = time.Now()
		if _, diags := conf.LoadText("bench.hcl", []byte(text), nil); diags.HasErrors() {
			return fmt.Errorf("what usher is to run: %s", diags.Text(false))
		}
		reads = append(reads, time.Since(begin))
	}
	fmt.Printf("\nOf usher's start, before anything is programmed: %.3f s (%s) for `usher version`, which does nothing; %.3f s (%s) to read the configuration.\n",
		median(execs).Seconds(), spread(execs), median(reads).Seconds(), spread(reads))
	return nil
}

// line prints a row; bound is 0 for none.
func line(what string, other, usher []time.Duration, bound float64) {
	k, u := median(other), median(usher)
	ratio := u.Seconds() / k.Seconds()
	verdict := fmt.Sprintf("%.4f: yes", bound)
	if bound == 0 {
		verdict = "-"
	} else if ratio > bound {
		verdict = fmt.Sprintf("%.4f: **no**", bound)
	}
	fmt.Printf("| %s | %.3f (%s) | %.3f (%s) | %.4f | %s |\n", what, k.Seconds(), spread(other), u.Seconds(), spread(usher), ratio, verdict)
}

// grow runs usher alone at several sizes.
func (m bench) grow(ctx context.Context, sizes []int) error {
	if len(sizes) == 0 {
		return nil
	}
	fmt.Printf("\nusher alone, without checks; each service has %d servers:\n\n", servers)
	fmt.Println("| forward method | services | from exec to complete, s | per service, ms | reload with one weight changed, s | per service, ms | operations of the reload | memory, MiB |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, n := range sizes {
		for _, forward := range []string{"nat", "fullnat"} {
			r, err := m.trial(ctx, usherProgram{m.usher}, plan{services: n, forward: forward}, reloads)
			if err != nil {
				return fmt.Errorf("usher with %d services by %s: %w", n, forward, err)
			}
			reload := median(r.reloads)
			each := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(n) }
			fmt.Printf("| %s | %d | %.2f | %.2f | %.3f (%s) | %.3f | %s | %d |\n", forward, n, r.start.Seconds(), each(r.start),
				reload.Seconds(), spread(r.reloads), each(reload), r.operations, r.memory>>20)
		}
	}
	return nil
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is the least and the greatest.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%.3f..%.3f", slices.Min(all).Seconds(), slices.Max(all).Seconds())
}
