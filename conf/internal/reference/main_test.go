package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"usher/conf"
)

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "REFERENCE.md")
	var stdout, stderr bytes.Buffer
	for _, tc := range []struct {
		args []string
		want int
	}{{nil, 0}, {[]string{"-o", out}, 0}, {[]string{"-x"}, 2}, {[]string{"-o", filepath.Join(out, "below-a-file")}, 1}} {
		if got := run(tc.args, &stdout, &stderr); got != tc.want {
			t.Errorf("%v: exit status %d, not %d: %s", tc.args, got, tc.want, stderr.String())
		}
	}
	text, err := os.ReadFile(out)
	if err != nil || string(text) != conf.Reference() || stdout.String() != conf.Reference() {
		t.Errorf("not the reference: %v", err)
	}
}
