package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// TestJournal: an error is told when it begins and when it is over, and is a warning in
// between; one that is seen again is not over.
func TestJournal(t *testing.T) {
	var told []string
	j := newJournal(slog.New(slog.DiscardHandler), func(e director.Event) { told = append(told, fmt.Sprintf("%s %s", e.Kind, e.Reason)) })
	now := time.Unix(1000, 0)
	heard := func(want ...string) {
		t.Helper()
		j.deliver()
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		told = nil
	}
	j.begin()
	j.report(errors.New("no room"), "web", now)
	j.report(errors.New("no route"), "", now)
	j.report(errors.New("no room"), "web", now.Add(time.Second))
	j.over(now)
	heard("error no room", "error no route")
	if w := j.warnings(); len(w) != 2 || w[0].VirtualServer != "web" || !w[0].Since.Equal(now) {
		t.Errorf("warnings %+v", w)
	}
	j.begin()
	j.report(errors.New("no route"), "", now)
	j.over(now)
	heard("error_end over: no room")
	if w := j.warnings(); len(w) != 1 || w[0].Text != "no route" {
		t.Errorf("warnings %+v", w)
	}
	j.repaired(director.Event{Kind: director.EventDrift, Reason: "edited"}, director.Event{Kind: director.EventDrift, Reason: "removed"})
	j.passed(true, errors.New("no route"), now)
	j.passed(false, nil, now)
	s := j.counted()
	if s.DriftRepairs != 2 || s.Passes != 1 || s.LastError != "no route" || len(s.Ops) != len(ipvs.OpKinds) {
		t.Errorf("counted %+v", s)
	}
	j.passed(true, nil, now)
	if s := j.counted(); s.LastError != "" || s.Passes != 2 {
		t.Errorf("counted %+v", s)
	}
	heard("drift_repaired edited", "drift_repaired removed")
}
