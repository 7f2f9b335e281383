package daemon_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
)

// TestEventsOutliveARestart: what happened before it is there, in order; a start after
// a stop says nothing more.
func TestEventsOutliveARestart(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	d, _ := f.start()
	list, _, _ := d.Events().List(events.Filter{})
	var kinds []string
	for _, e := range list {
		if e.Kind == "start" || e.Kind == "stop" || e.Kind == "crash" {
			kinds = append(kinds, e.Kind)
		}
	}
	if got := strings.Join(kinds, " "); got != "start stop start" {
		t.Errorf("events %s", got)
	}
	for i := range list[1:] {
		if list[i].Seq >= list[i+1].Seq && list[i].Time.After(list[i+1].Time) {
			t.Errorf("out of order: %+v, %+v", list[i], list[i+1])
		}
	}
}

// TestCrashIsToldOf: a start after a daemon that did not stop says so, in an event and,
// for a while, in the status.
func TestCrashIsToldOf(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.killed()
	d, stop := f.start()
	has := false
	for _, w := range d.Status().Warnings {
		has = has || w.Kind == "crash" && w.Severity == string(api.LevelWarning) && strings.Contains(w.Text, "did not stop: it was killed")
	}
	if !has {
		t.Errorf("the status does not tell of it: %+v", d.Status().Warnings)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	d, _ = f.start()
	for _, w := range d.Status().Warnings {
		if w.Kind == "crash" {
			t.Errorf("told again after the next stop: %+v", w)
		}
	}
}

// killed makes of what a daemon left that stopped what one leaves that was killed.
func (f *fixture) killed() {
	f.t.Helper()
	file := filepath.Join(f.state(), "events.json") // is as it was while it ran
	text, err := os.ReadFile(file)
	if err != nil {
		f.t.Fatal(err)
	}
	var log map[string]any
	if err := json.Unmarshal(text, &log); err != nil || log["running"] != false {
		f.t.Fatalf("after a stop running is %v (%v)", log["running"], err)
	}
	log["running"] = true
	if text, err = json.Marshal(log); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// TestEventsThatAreNoFile: what somebody put in the place of the file, which would wait for
// its writer, keeps no daemon from starting, and it is written anew.
func TestEventsThatAreNoFile(t *testing.T) {
	f := newFixture(t)
	file := filepath.Join(f.dir, "state", "events.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), unix.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, stop := f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.log.String(), "it is a named pipe, not a regular file") {
		t.Errorf("no word of it:\n%s", f.log)
	}
	if got, err := os.ReadFile(file); err != nil || !json.Valid(got) {
		t.Errorf("it is not written anew: %q, %v", got, err)
	}
}

// TestDamagedEvents keep no daemon from starting.
func TestDamagedEvents(t *testing.T) {
	for name, text := range map[string]string{"half": `{"running":true,"ev`, "other": `[]`, "blank": ""} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if err := os.MkdirAll(filepath.Join(f.dir, "state"), 0o750); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(f.dir, "state", "events.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, stop := f.start()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(f.log.String(), "the events before this start are lost") {
				t.Errorf("no word of it:\n%s", f.log)
			}
			got, err := os.ReadFile(file)
			if err != nil || !json.Valid(got) {
				t.Errorf("it is not written anew: %v", errors.Join(err))
			}
		})
	}
}
