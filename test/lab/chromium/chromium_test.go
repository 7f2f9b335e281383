package chromium

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/test/lab/debian"
)

// The distribution's Chromium is taken before the fetched one, and each asks for what
// it needs; without either, the message says what gets one.
func TestChoice(t *testing.T) {
	root := t.TempDir()
	distribution(t, filepath.Join(t.TempDir(), "chromium"))
	if path, err := Find(root); err == nil || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("without any: %q, %v", path, err)
	}
	for _, c := range []struct {
		program string
		needs   []debian.Tool
	}{
		{fetched(root), libraries},
		{packaged.Program, nil},
	} {
		if err := os.MkdirAll(filepath.Dir(c.program), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.program, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if path, err := Find(root); path != c.program {
			t.Errorf("%q, %v, want %s", path, err, c.program)
		}
		if tools, err := Tools(t.Context(), root); !slices.Equal(tools, c.needs) {
			t.Errorf("%s needs %v, %v, want %v", c.program, tools, err, c.needs)
		}
	}
}

// distribution makes a test's distribution have its Chromium at that place.
func distribution(t *testing.T, program string) {
	t.Helper()
	was := packaged.Program
	packaged.Program = program
	t.Cleanup(func() { packaged.Program = was })
}

// What is missing depends on whether the distribution has the package; a machine that
// was never updated is, before it is asked.
func TestMissing(t *testing.T) {
	distribution(t, filepath.Join(t.TempDir(), "chromium"))
	for name, c := range map[string]struct {
		before, after string // what apt-cache madison knows, before an update and, were there one, after
		want          []string
	}{
		"Debian":        {"base-files chromium", "", []string{"chromium"}},
		"never updated": {"", "base-files chromium", []string{"chromium"}},
		"Ubuntu":        {"base-files chromium-browser", "chromium", []string{"libexpat1", "libnss3", "npm"}},
	} {
		lists := filepath.Join(t.TempDir(), "lists")
		if err := os.WriteFile(lists, []byte(c.before), 0o644); err != nil {
			t.Fatal(err)
		}
		program(t, "apt-cache", `for p in $(cat `+lists+`); do [ "$2" != $p ] || echo "$p | 1 | archive"; done`)
		program(t, "apt-get", `[ $1 = update ] && echo `+c.after+` >`+lists)
		tools, err := Tools(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tool := range tools {
			got = append(got, tool.Package)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// program puts a shell script before all other programs of its name.
func program(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
