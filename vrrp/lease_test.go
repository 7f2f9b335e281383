package vrrp

import (
	"strings"
	"testing"
	"time"
)

func TestLease(t *testing.T) {
	for _, tc := range []struct {
		version         uint8
		interval, lease time.Duration // lease 0: the one that fits
		adverts         int
		fit             time.Duration
		warn            string
	}{
		{3, time.Second, 0, 3, 2 * time.Second, ""},
		{2, time.Second, 0, 3, 2 * time.Second, ""},
		{3, 40 * time.Second, 0, 3, 2 * time.Second, ""},
		{3, 500 * time.Millisecond, 0, 3, time.Second, ""},
		{3, 100 * time.Millisecond, 0, 3, time.Second, ""}, // the kernel has no shorter one
		{3, time.Second, 3 * time.Second, 3, 2 * time.Second, ""},
		{3, time.Second, 4 * time.Second, 3, 2 * time.Second, `lease of 4 s is longer than the 3.6 s`},
		{3, time.Second, 4 * time.Second, 4, 2 * time.Second, ""},
		{3, time.Second, 2 * time.Second, 1, time.Second, `give lease = "1s"`},
		{3, 100 * time.Millisecond, 2 * time.Second, 3, time.Second, `longer than the 361 ms`},
		{3, 100 * time.Millisecond, time.Second, 3, time.Second, ""},
	} {
		c := Config{Name: "web", Version: tc.version, Priority: DefaultPriority, Interval: tc.interval, DownAdverts: tc.adverts, Lease: tc.lease}
		if got := c.FitLease(); got != tc.fit {
			t.Errorf("%+v: the lease that fits is %v", tc, got)
		}
		if c.Lease == 0 {
			c.Lease = c.FitLease()
		}
		if got := c.LongLease(); (got == "") != (tc.warn == "") || !strings.Contains(got, tc.warn) {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
