package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"usher/vrrp"
)

// unstarted is the error of a program that could not be started.
type unstarted struct{ error }

func (unstarted) CannotRun() bool { return true }

// TestScriptThatCannotRun: a script that this machine cannot run is down, and told from one
// that fails.
func TestScriptThatCannotRun(t *testing.T) {
	said := make(chan vrrp.Adjustment, 10)
	tr := New(Options{
		Log:    slog.New(slog.DiscardHandler),
		Report: func(_, _ string, a vrrp.Adjustment) { said <- a },
		Run: func(context.Context, []string, string) error {
			return fmt.Errorf("as nobody: %w", unstarted{errors.New("no such file or directory")})
		},
	})
	tr.Apply([]vrrp.Config{instance("web", vrrp.Track{Kind: vrrp.TrackScript, Name: "s", Command: []string{"/gone"}, Interval: time.Hour, Rise: 1, Fall: 1})})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	if a := <-said; !a.Fault || a.Reason != "script s cannot be run: as nobody: no such file or directory" {
		t.Errorf("%+v", a)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
