package peers_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lines counts the lines of a log.
type lines struct{ atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.Add(1)
	return len(b), nil
}

// TestQuietLog: for as long as one director is away, one has another key and one the name
// of another, the log has a few lines, and then fewer: nobody reads a thousand of them in
// the morning.
func TestQuietLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		all = append(all, w.start(6, config(6, otherKey)))
		same := config(7, testKey)
		same.Name = "lb0"
		all = append(all, w.start(7, same))
		defer func() { stop(all...) }()
		time.Sleep(10 * time.Second)
		w.net.Cut(func(a, b netip.Addr) bool {
			return a != b && (a == all[1].address.Addr() || b == all[1].address.Addr())
		})
		time.Sleep(3 * time.Minute)
		before := all[0].log.Load()
		time.Sleep(10 * time.Minute)
		if n := all[0].log.Load(); before == 0 || before > 30 || n-before > 2 {
			t.Errorf("%d lines in the first minutes, %d in ten after", before, n-before)
		}
	})
}
