package probe

import (
	"testing"

	"golang.org/x/sys/unix"

	"usher/healthcheck"
)

// TestMarkOfAProbe: the socket has the mark that is given, or that of its way through
// a service, before it is used.
func TestMarkOfAProbe(t *testing.T) {
	for _, tc := range []struct {
		check healthcheck.Check
		want  int
	}{
		{healthcheck.Check{}, 0},
		{healthcheck.Check{Mark: 7}, 7},
		{healthcheck.Check{Via: &healthcheck.Via{Mark: 9}}, 9},
	} {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := socketOptions(fd, &tc.check); err != nil {
			t.Error(err)
		}
		if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK); err != nil || got != tc.want {
			t.Errorf("%+v: mark %d, %v", tc.check, got, err)
		}
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	}
}
