package ipvs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A newcomer's walk through the README: every file is written and every command
// typed as it stands there, on two directors, a client and a real server.
func TestReadme(t *testing.T) {
	l := suite.New(t, "fullnat")
	_, err := l.Webs(t.Context())
	labtest.Must(t, err)
	machines := make(map[string]*lab.Node)
	for _, n := range l.Nodes() {
		machines[n.Name] = n
	}
	for _, b := range blocks(t, filepath.Join(suite.Root, "README.md")) {
		n := machines[b.noun]
		if n == nil && (b.verb == "run" || b.verb == "daemon" || b.verb == "valid") {
			t.Fatalf("README.md:%d: no machine %q", b.line, b.noun)
		}
		if b.wait {
			labtest.Await(t, l.A, "web", "active")
			labtest.Must(t, l.A.AwaitServers(t.Context(), "web", "up", "10.1.2.3:80", "10.1.4.5:80"))
			labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
		}
		if b.with != "" {
			text, err := os.ReadFile(filepath.Join(suite.Root, b.with))
			labtest.Must(t, err)
			labtest.File(t, n, filepath.Base(b.with), string(text))
		}
		switch b.verb {
		case "file":
			for _, n := range machines {
				labtest.File(t, n, b.noun, b.text)
			}
		case "run":
			code, out, err := n.Shell(t.Context(), b.text)
			labtest.Must(t, err)
			if code != b.exit {
				t.Errorf("README.md:%d: on %s exit status %d, want %d:\n%s\n%s", b.line, n.Name, code, b.exit, b.text, out)
			}
		case "daemon":
			args := strings.Fields(b.text)
			if args[0] != "usher" || args[1] != "run" {
				t.Fatalf("README.md:%d: a daemon other than `usher run`", b.line)
			}
			labtest.Start(t, n, args[2:]...)
		case "valid":
			labtest.File(t, n, "part.hcl", surrounded(t, b))
			if out, err := n.Usher(t.Context(), "validate", "-c", filepath.Join(n.Dir, "part.hcl")); err != nil {
				t.Errorf("README.md:%d: %v\n%s", b.line, err, out)
			}
		case "elsewhere":
			ranElsewhere(t, b)
		}
	}
}

// surrounded gives a part of a configuration what it is a part of.
func surrounded(t *testing.T, b block) string {
	t.Helper()
	switch b.in {
	case "":
		return b.text
	case "vrrp_instance":
		return "vrrp_instance \"web\" {\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = 100\nvirtual_addresses = [\"192.0.2.10/24\"]\n" + b.text + "}\n"
	}
	t.Fatalf("README.md:%d: in %s: no surroundings", b.line, b.in)
	return ""
}

// ranElsewhere checks that what other tests run is there.
func ranElsewhere(t *testing.T, b block) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(suite.Root, "Makefile"))
	labtest.Must(t, err)
	for line := range strings.Lines(b.text) {
		f := strings.Fields(line)
		switch {
		case f[0] == "make" && strings.Contains(string(makefile), "\n"+f[1]+":"):
		case f[0] == "go" && f[1] == "run":
			if _, err := os.Stat(filepath.Join(suite.Root, f[2], "main.go")); err != nil {
				t.Errorf("README.md:%d: %v", b.line, err)
			}
		default:
			t.Errorf("README.md:%d: nothing runs %q", b.line, line)
		}
	}
}

// Files that the README links to are there, and subcommands that it names exist.
func TestReadmeNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(suite.Root, "README.md"))
	labtest.Must(t, err)
	for _, m := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(string(text), -1) {
		name, heading, _ := strings.Cut(m[1], "#")
		linked, err := os.ReadFile(filepath.Join(suite.Root, name))
		if err != nil {
			t.Errorf("link: %v", err)
		}
		if !regexp.MustCompile(`(?im)^#+ `+strings.ReplaceAll(regexp.QuoteMeta(heading), "-", "[ -]")).Match(linked) && heading != "" {
			t.Errorf("link: %s has no heading for #%s", name, heading)
		}
	}
	l := suite.New(t, "")
	seen := make(map[string]bool)
	for _, m := range regexp.MustCompile("`usher\\s+([a-z-]+)").FindAllStringSubmatch(string(text), -1) {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		if _, err := l.A.Usher(t.Context(), "help", m[1]); err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 4 {
		t.Errorf("only %d commands found", len(seen))
	}
}
