package probe

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSaltedPassword: it is PBKDF2, and however much is to be done it ends with its context.
func TestSaltedPassword(t *testing.T) {
	for _, rounds := range []int{1, 2, stride, stride + 1, 4096} {
		salt := []byte("any salt")
		want, err := pbkdf2.Key(sha256.New, "secret", salt, rounds, sha256.Size)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := saltedPassword(t.Context(), "secret", salt, rounds); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d rounds: %x, %v; want %x", rounds, got, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := saltedPassword(ctx, "secret", []byte("any salt"), math.MaxInt); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestIterationsOfSCRAM: a server that asks for more than there is time for, or for
// more than any should, is told so.
func TestIterationsOfSCRAM(t *testing.T) {
	for _, tc := range []struct {
		rounds int
		time   time.Duration
		want   string // "" for none
	}{
		{4096, time.Hour, ""},
		{scramRounds, 0, "asks for 1048576 iterations of SCRAM, more than this machine does within the timeout"},
		{scramRounds + 1, time.Hour, "asks for 1048577 iterations of SCRAM, more than the 1048576 that a check does"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := allow(t.Context(), tc.time)
			defer ctx.stop()
			synctest.Wait()
			s := newScram("secret")
			s.first()
			_, err := s.final(ctx, fmt.Sprintf("r=%sx,s=c2FsdA==,i=%d", s.nonce, tc.rounds))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%d in %s: %v, want %q", tc.rounds, tc.time, err, tc.want)
			}
		})
	}
}
