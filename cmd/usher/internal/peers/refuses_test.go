package peers

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers/share"
)

// TestRefuses: what a member cannot read it does not say to have, and why one does not take
// something is told in words about that one, with what to do.
func TestRefuses(t *testing.T) {
	n := New(Options{Log: slog.New(slog.DiscardHandler), Event: func(Event) {}})
	if err := n.Apply(&Config{Name: "lb1", Listen: netip.MustParseAddrPort("192.0.2.1:7946")}, nil); err != nil {
		t.Fatal(err)
	}
	text := share.Message{Header: share.Header{Kind: share.KindSay, From: "lb2", ID: 7}}.Encode(time.Now())
	newDelegate(n, "lb1").NotifyMsg(append(text, "e{\"override\":{\"mode\":\"of a newer version\"}}\n"...))
	if counts, _ := n.guard.refused(); len(n.acks) > 0 || counts["invalid"] != 1 {
		t.Errorf("%d answers are owed for what was refused: %v", len(n.acks), counts)
	}
	newDelegate(n, "lb1").NotifyMsg(text)
	if len(n.acks) != 1 {
		t.Error("no answer is owed for what was taken")
	}

	n.members["lb2"] = &Member{Name: "lb2", Up: true}
	for reason, want := range map[share.Refusal]string{
		share.Future:  "lb2 does not take it: its clock and this director's are more than a day apart; set them, best by NTP",
		share.Full:    "lb2 does not take it: it has 2048 overrides, and no room for more; lift some by usher enable",
		share.Invalid: "lb2 does not take it: it takes it for nothing that a director says; give both the same version of usher",
	} {
		w := &delivery{refused: map[string]string{"lb2": string(reason)}}
		if got := n.missing(w, "no answer").Text(); got != want {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}
