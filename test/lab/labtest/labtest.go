// Package labtest ties the lab to Go's tests: where a suite runs, and what is left
// of a test that failed.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/test/lab"
)

// Suite is what TestMain of a package of lab tests knows.
type Suite struct {
	Root  string // the checkout
	Usher string // the program under test
}

// Native runs a suite on this machine that needs no IPVS. The program under test
// has the race detector.
func Native(m *testing.M, s *Suite) int { return report(native(m, s)) }

// IPVS runs a suite that needs IPVS: on this machine if the kernel has it, else
// the whole test binary runs again in one boot of the virtual machine.
func IPVS(m *testing.M, s *Suite, limit time.Duration) int { return report(ipvs(m, s, limit)) }

func report(code int, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return code
}

func native(m *testing.M, s *Suite) (int, error) {
	ctx := context.Background()
	release, err := s.prepare(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if s.Usher, err = lab.Build(ctx, s.Root, true); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func ipvs(m *testing.M, s *Suite, limit time.Duration) (int, error) {
	ctx := context.Background()
	place, why, err := lab.Decide()
	if err != nil {
		return 0, err
	}
	if place == lab.Inside {
		if s.Root, err = lab.Root(); err != nil {
			return 0, err
		}
	} else {
		release, err := s.prepare(ctx)
		if err != nil {
			return 0, err
		}
		defer release()
		fmt.Fprintf(os.Stderr, "lab: %s\n", why)
	}
	if s.Usher, err = lab.Build(ctx, s.Root, place == lab.Native); err != nil {
		return 0, err
	}
	if place == lab.Guest {
		return lab.Boot(ctx, s.Root, s.Usher, limit, os.Stdout, os.Stderr)
	}
	return m.Run(), nil
}

// prepare makes this machine ready for a lab and waits until no other one runs.
func (s *Suite) prepare(ctx context.Context) (release func(), err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("not root: labs need network namespaces; run `make test` as root")
	}
	if s.Root, err = lab.Root(); err != nil {
		return nil, err
	}
	if err := lab.Ready(ctx, os.Stderr); err != nil {
		return nil, err
	}
	return lab.Alone(s.Root)
}

// New builds a lab for one test and removes it afterwards. If the test failed,
// the logs, the packets and the kernel's tables stay in a folder that is printed.
// Labs share nothing and mostly wait: the test becomes a parallel one, so that a
// test may call New but once.
func (s *Suite) New(t *testing.T, forward string) *lab.Lab {
	t.Helper()
	t.Parallel()
	return s.Alone(t, forward)
}

// Three is New with a third director, for labs without client and real servers.
func (s *Suite) Three(t *testing.T) *lab.Lab {
	t.Helper()
	t.Parallel()
	return s.open(t, lab.Options{Capture: true, Third: true})
}

// Routed is Uncaptured with directors behind a router.
func (s *Suite) Routed(t *testing.T, forward string) *lab.Lab {
	t.Helper()
	return s.open(t, lab.Options{Forward: forward, Routed: true})
}

// Alone is New for a test that measures times which a busy machine would spoil: it
// runs before the parallel ones, and no other beside it.
func (s *Suite) Alone(t *testing.T, forward string) *lab.Lab {
	t.Helper()
	return s.open(t, lab.Options{Forward: forward, Capture: true})
}

// Uncaptured is Alone for a test with more packets than anybody wants to keep.
func (s *Suite) Uncaptured(t *testing.T, forward string) *lab.Lab {
	t.Helper()
	return s.open(t, lab.Options{Forward: forward})
}

func (s *Suite) open(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	o.Usher = s.Usher
	l, err := lab.New(t.Context(), filepath.Join(s.Root, "artifacts"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			l.Collect()
			kept, err := l.Preserve(s.Root)
			t.Logf("logs, packets and kernel tables: %s", kept)
			if err != nil {
				t.Errorf("not all of them: %v", err)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
