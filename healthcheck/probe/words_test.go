package probe

import (
	"testing"
	"time"
)

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567 * time.Nanosecond: "1.235ms", 300 * time.Millisecond: "300ms", 1500 * time.Millisecond: "1.5s",
		30 * time.Second: "30s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h0m",
	} {
		if got := round(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}
