package keepalived

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/conf"
)

// TestBounds: whatever the files are, the import ends soon, and an error names the place.
func TestBounds(t *testing.T) {
	t.Chdir(t.TempDir()) // short names in what is wanted
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T)
		want    string // of the error, or of the first warning
	}{
		{"a named pipe", func(t *testing.T) { pipe(t, "main") }, "read main: it is a named pipe, not a regular file"},
		{"a folder", func(t *testing.T) { _ = os.Mkdir("main", 0o700) }, "it is a folder, not a regular file"},
		{"a device", func(t *testing.T) { _ = os.Symlink("/dev/zero", "main") }, "it is a device, not a regular file"},
		{"too large", func(t *testing.T) {
			write("main", "")
			if err := os.Truncate("main", conf.MaxSize+1); err != nil {
				t.Fatal(err)
			}
		}, "read main: it has more than 64 MiB"},
		{"an included pipe", func(t *testing.T) { pipe(t, "p"); write("main", "\ninclude p\n") }, "main:2: include: read p: it is a named pipe"},
		{"an included pipe that has to be there", func(t *testing.T) { pipe(t, "p"); write("main", "\nincluder p\n") }, "keepalived: main:2: includer: read p: it is a named pipe"},
		{"includes itself", func(t *testing.T) { write("main", "#\ninclude main\n") }, "main:2: include: more than 32 files include one another"},
		{"many patterns", func(t *testing.T) {
			write("main", "include "+strings.Repeat("{"+strings.Repeat("a,", 300)+"a}", 8)+"\n")
		}, "main:1: include: the pattern stands for more than 1000 files"},
		{"many files", func(t *testing.T) {
			for i := range 33 {
				write(fmt.Sprint("f", i), "")
			}
			write("main", strings.Repeat("include f*\n", 40))
		}, "more than 1000 files are included"},
		{"nested blocks", func(t *testing.T) { write("main", strings.Repeat("a {\n", 60_000)) }, "main:"},
		{"nested blocks in a line", func(t *testing.T) { write("main", strings.Repeat("a { ", 60_000)) }, "main:"},
		{"brackets", func(t *testing.T) { write("main", "virtual_server "+strings.Repeat("[", 60_000)+" {\n}\n") }, "main:"},
		{"openings of templates", func(t *testing.T) { write("main", "vrrp_instance "+strings.Repeat("\"${", 100_000)+"\n{\n}\n") }, "main:"},
		{"names of variables", func(t *testing.T) { write("main", "$A="+strings.Repeat("${A}", 15_000)+"\nrouter_id $A\n") }, "main:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll("main"); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove("p")
			c.prepare(t)
			start := time.Now()
			_, warnings, err := Import("main", Options{ID: "x"})
			told := fmt.Sprint(err)
			if err == nil && len(warnings) > 0 {
				told = warnings[0].String()
			}
			if !strings.Contains(told, c.want) {
				t.Errorf("%.300s\nwant %s", told, c.want)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestBoundOfAllFiles: what many files have together is bounded as one file is.
func TestBoundOfAllFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"a": "# 345", "b": "# 345", "main": "#\ninclude [ab]\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for most, want := range map[int]string{25: "", 24: "keepalived: main:2: include: b: all files have more than 24 bytes"} {
		r := newReader("x", "", func(string, int, string, string) {})
		r.most = most
		if err := r.file("main"); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%d: %v", most, err)
		}
	}
}

func pipe(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}
