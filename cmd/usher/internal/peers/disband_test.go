package peers

import (
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// TestDisbanded: what was shared in a group is gone with it, though the file is being
// written when the group ends; who looks at the member does not wait for the folder.
func TestDisbanded(t *testing.T) {
	n := New(Options{Log: slog.New(slog.DiscardHandler), State: t.TempDir(), Event: func(Event) {}})
	c := &Config{Name: "lb1", Listen: netip.MustParseAddrPort("192.0.2.1:7946")}
	key := share.Key{VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.0.0.1:80")}
	said := map[share.Key]director.Override{key: {Mode: director.OverrideDrain, Since: time.Now()}}
	if err := n.Apply(c, said); err != nil {
		t.Fatal(err)
	}
	entries := n.share.Entries()
	n.saving.Lock() // as a save has it that is under way
	ended := make(chan error, 1)
	go func() { ended <- n.Apply(nil, nil) }()
	for n.View().On {
		runtime.Gosched()
	}
	if err := n.store.save("lb1", entries, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	n.saving.Unlock()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := n.Apply(c, nil); err != nil {
		t.Error(err)
	}
	if got := n.View().Entries; len(entries) != 1 || got != 0 {
		t.Errorf("the group had %d entries, the next one begins with %d", len(entries), got)
	}
}
