package vrrpproc

import (
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
)

// TestStopAwaitsSlowPeer: at adverts of 20 s a peer of the lowest priority takes over
// 19.9 s after the resignation. The address stays until then, and no second
// resignation makes the peer wait once more.
func TestStopAwaitsSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := desired("web")
		web := &d.Instances[0]
		web.Interval = 20 * time.Second
		if err := w.Apply(d); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		lastOf(w.sent)
		stopped := make(chan time.Time, 1)
		go func() {
			w.stop()
			stopped <- time.Now()
		}()
		pass(web.LongestSkew())
		if !w.kernel.Has(virtualAddress) {
			t.Fatal("the address is gone before the peer has taken over")
		}
		w.hear(t, *web, 1)
		if w.kernel.Has(virtualAddress) {
			t.Error("the address is still there when the peer has taken over")
		}
		spoke := time.Now()
		if took := (<-stopped).Sub(spoke); took > 2*handoverLook {
			t.Errorf("the stop took %v more when the peer had spoken", took)
		}
		if at := w.kills[0]; at.Before(spoke) {
			t.Errorf("the child was killed %v before the peer had spoken", spoke.Sub(at))
		}
		if len(w.sent) != 1 || <-w.sent != 0 {
			t.Error("more was sent than one resignation")
		}
	})
}

// TestStopWithoutPeer: a stop takes no longer than a peer of the lowest priority would.
// RFC 3768 section 6.1 counts Skew_Time of version 2 in seconds, whatever the interval.
func TestStopWithoutPeer(t *testing.T) {
	for _, c := range []struct {
		version  uint8
		interval time.Duration
		want     time.Duration
	}{
		{3, 10 * time.Millisecond, 9960937 * time.Nanosecond},
		{3, 40950 * time.Millisecond, 40790039062 * time.Nanosecond},
		{2, 20 * time.Second, 996093750 * time.Nanosecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			d := desired("web")
			d.Instances[0].Version, d.Instances[0].Interval = c.version, c.interval
			if err := w.Apply(d); err != nil {
				t.Fatal(err)
			}
			pass(4*c.interval + time.Second)
			if s := w.state("web"); s != vrrp.Active {
				t.Fatalf("web is %v", s)
			}
			start := time.Now()
			w.stop()
			if took := time.Since(start); took < c.want || took > c.want+handoverSlack+2*handoverLook {
				t.Errorf("version %d, adverts of %v: the stop took %v, want %v", c.version, c.interval, took, c.want)
			}
		})
	}
}
