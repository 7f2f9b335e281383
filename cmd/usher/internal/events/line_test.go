package events

import (
	"errors"
	"testing"
)

func TestReasonIsOneLine(t *testing.T) {
	joined := errors.Join(errors.New("signal: killed"), errors.New("no answer"), errors.New("a\r\nb"))
	got := NewRing(1, 0).Add(Event{Reason: joined.Error()}).Reason
	if want := "signal: killed; no answer; a; b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
