package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLook: what would keep a program from being started is known before.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		program, user string
		env           []string
		want          string // "" for nothing
	}{
		{program: "/bin/sh"},
		{program: "sh"},
		{program: "sh", user: "root:root"},
		{program: "sh", env: []string{"PATH=" + dir}, want: "sh is not in " + dir},
		{program: "/no/such/file", want: "there is no such file"},
		{program: dir, want: "it is no regular file"},
		{program: plain, want: "it is not executable: chmod a+x " + plain},
		{program: "no-such-program", want: "no-such-program is not in /usr/local/sbin"},
		{program: "/bin/sh", user: "nobody-like-this", want: `user "nobody-like-this": there is none on this machine`},
		{program: "/bin/sh", user: "root:none-like-this", want: `group "none-like-this": there is none on this machine`},
	} {
		err := Look([]string{tt.program, "x"}, tt.user, tt.env)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s as %q: %v", tt.program, tt.user, err)
		}
	}
}

func TestLookFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{"/etc/passwd": "", dir: "it is no regular file", dir + "/none": "there is no such file", "/etc/passwd/x": "stat /etc/passwd/x: not a directory"} {
		if err := LookFile(path); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
