package peers

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers/share"
)

// TestDescribedOnceASecond: however often something comes from the others, the document is
// written once a second at the most, and where nothing is new once a minute.
func TestDescribedOnceASecond(t *testing.T) {
	n := New(Options{Log: slog.New(slog.DiscardHandler), Event: func(Event) {}})
	if err := n.Apply(&Config{Name: "lb1", Listen: netip.MustParseAddrPort("192.0.2.1:7946")}, nil); err != nil {
		t.Fatal(err)
	}
	n.Describe(share.Document{Version: "1"})
	at := time.Now()
	n.describe(nil, at)
	n.described, n.news = at, false // as once it has gone to all
	was := n.View().Self.Stamp
	if was.Wall != at.UnixMilli() {
		t.Fatalf("it is not written at once: %+v", was)
	}
	for _, step := range []struct {
		after   time.Duration
		say     string
		news    bool
		written bool
	}{
		{say: "1", after: 30 * time.Second},
		{say: "1", news: true, after: time.Second / 2},
		{say: "1", news: true, after: time.Second, written: true},
		{say: "2", after: time.Second / 2},
		{say: "2", after: time.Second, written: true},
		{say: "2", after: time.Minute, written: true},
	} {
		n.Describe(share.Document{Version: step.say})
		n.news = step.news
		n.describe(nil, at.Add(step.after))
		if now := n.View().Self.Stamp; (now != was) != step.written {
			t.Errorf("%+v: written at %+v, and now at %+v", step, was, now)
		} else if was = now; step.written {
			at = at.Add(step.after)
			n.described = at
		}
	}
}
