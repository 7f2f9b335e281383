package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// built are the packages of one version, what is in the Debian one, and the files of a
// container image.
type built struct{ deb, rpm, root, image string }

// first is built once for all tests.
var first built

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == script {
		if err := leaveOrphans(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code, err := withPackages(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withPackages(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "usher-packages-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chdir("../../../.."); err != nil {
		return 0, err
	}
	if first, err = build(context.Background(), dir); err != nil {
		return 0, err
	}
	first.root = filepath.Join(dir, "root")
	if out, err := exec.Command("dpkg-deb", "--extract", first.deb, first.root).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("dpkg-deb --extract: %w\n%s", err, out)
	}
	first.image = filepath.Join(dir, "image")
	if err := run(context.Background(), []string{"-version", "v1.2.3", "-image", first.image}, os.Stdout, os.Stderr); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// build builds both packages from the checkout that is the working folder.
func build(ctx context.Context, out string) (built, error) {
	var stdout, stderr bytes.Buffer
	if err := run(ctx, []string{"-version", "v1.2.3", "-out", out}, &stdout, &stderr); err != nil {
		return built{}, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	files := strings.Fields(stdout.String())
	if len(files) != 2 {
		return built{}, fmt.Errorf("made %q", files)
	}
	return built{deb: files[0], rpm: files[1]}, nil
}

func tool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPackages asks dpkg, rpm and systemd what they make of the packages, and runs
// the program that is inside.
func TestPackages(t *testing.T) {
	deb, rpm, root := first.deb, first.rpm, first.root

	inside := []string{"/usr/bin/usher", "/usr/lib/systemd/system/usher.service", "/usr/share/man/man8/usher.8.gz", "/etc/usher",
		"/usr/share/bash-completion/completions/usher", "/usr/lib/sysusers.d/usher.conf", "/usr/share/doc/usher/examples/nat.hcl",
		"/usr/share/doc/usher/examples/prometheus-alerts.yml", "/usr/share/doc/usher/copyright", "/usr/share/doc/usher/changelog.gz",
		"/usr/share/doc/usher/README.md", "/usr/share/doc/usher/REFERENCE.md"}
	debFiles, rpmFiles := tool(t, "dpkg-deb", "--contents", deb), tool(t, "rpm", "-qpl", "--nosignature", rpm)
	for _, file := range inside {
		if !strings.Contains(debFiles, " ."+file) || !strings.Contains(rpmFiles, file) {
			t.Errorf("%s is not in both packages", file)
		}
	}
	// zsh looks for completion in another folder on Debian than elsewhere.
	for place, inDeb := range map[string]bool{"/usr/share/zsh/vendor-completions/_usher": true, "/usr/share/zsh/site-functions/_usher": false} {
		if strings.Contains(debFiles, " ."+place) != inDeb || strings.Contains(rpmFiles, place) == inDeb {
			t.Errorf("%s: in the Debian package %v, in the other %v", place, strings.Contains(debFiles, place), strings.Contains(rpmFiles, place))
		}
	}
	if got := tool(t, "dpkg-deb", "--field", deb, "Package", "Version", "Architecture"); !strings.Contains(got, "Version: 1.2.3\n") {
		t.Errorf("fields: %s", got)
	}
	if got := tool(t, "rpm", "-qp", "--nosignature", "--qf", "%{NAME} %{VERSION} %{LICENSE}", rpm); got != "usher 1.2.3 LicenseRef-usher" {
		t.Errorf("rpm: %s", got)
	}

	if got := tool(t, filepath.Join(root, "usr/bin/usher"), "version"); !strings.HasPrefix(got, "usher 1.2.3\nrevision "+strings.TrimSpace(tool(t, "git", "rev-parse", "HEAD"))+" of ") {
		t.Errorf("version: %s", got)
	}
	if got, err := exec.Command("ldd", filepath.Join(root, "usr/bin/usher")).CombinedOutput(); err == nil || !strings.Contains(string(got), "not a dynamic executable") {
		t.Errorf("the program is not static: %s", got)
	}
	tool(t, filepath.Join(root, "usr/bin/usher"), "validate", "-c", filepath.Join(root, "usr/share/doc/usher/examples/nat.hcl"))
	for _, script := range []string{"postinstall", "preremove", "postremove"} {
		tool(t, "sh", "-n", "cmd/usher/packaging/files/"+script+".sh")
	}
	unit(t, root)
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{"": "", "a b": "a b", "some words more": "some words\n  more", "averyveryverylongword x": "averyveryverylongword\n  x"} {
		if got := wrap(text, 10, "\n  "); got != want {
			t.Errorf("%q is wrapped as %q, not %q", text, got, want)
		}
	}
}

// unit has systemd look for mistakes in the unit, and at how exposed it is.
func unit(t *testing.T, root string) {
	t.Helper()
	// The unit with the program where it was extracted, and without what refers to
	// units that a bare root does not have.
	text, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/usher.service"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("/usr/bin/usher"), []byte(filepath.Join(root, "usr/bin/usher")))
	text = bytes.ReplaceAll(text, []byte("Documentation=man:usher(8)\n"), nil)
	name := filepath.Join(t.TempDir(), "usher.service")
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := tool(t, analyze("verify", "--man=no", name)...); strings.Contains(got, "usher.service") {
		t.Errorf("systemd-analyze verify: %s", got)
	}
	tool(t, analyze("security", "--offline=true", "--threshold=40", name)...)
}

// analyze is a call of systemd-analyze with a /run of its own, in which it would else
// leave the time of its last look at units.
func analyze(args ...string) []string {
	return append([]string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs none /run && exec systemd-analyze "$@"`, "sh"}, args...)
}

// TestTerms: the program is linked statically, so the packages carry the terms of
// every module that is in it, and say what version this is.
func TestTerms(t *testing.T) {
	terms, err := os.ReadFile(filepath.Join(first.root, "usr/share/doc/usher/copyright"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(filepath.Join(first.root, "usr/bin/usher"))
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 {
		t.Error("the program knows none of its modules")
	}
	for _, m := range info.Deps {
		if !strings.Contains(string(terms), "\n"+m.Path+" "+m.Version+"\n") {
			t.Errorf("no terms of %s %s", m.Path, m.Version)
		}
	}
	if got := tool(t, "gzip", "-dc", filepath.Join(first.root, "usr/share/doc/usher/changelog.gz")); !strings.HasPrefix(got, "usher (1.2.3) unstable; urgency=medium\n\n  * Commit ") {
		t.Errorf("changelog:\n%s", got)
	}
}

// TestRPM has rpm look at its package, and install it into a root of its own as far
// as that goes without doing it.
func TestRPM(t *testing.T) {
	if got := tool(t, "rpm", "-qp", "--nosignature", "--requires", first.rpm); !strings.Contains(got, "/usr/sbin/groupadd\n") || !strings.Contains(got, "/usr/bin/getent\n") {
		t.Errorf("what its scripts run is not required: %s", got)
	}
	scripts := tool(t, "rpm", "-qp", "--nosignature", "--scripts", first.rpm)
	for _, want := range []string{"postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet", "--signal=SIGUSR1", "disable --now usher.service"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("no %q in the scripts:\n%s", want, scripts)
		}
	}
	root := t.TempDir()
	tool(t, "rpm", "--root", root, "--initdb")
	// The root is empty: what is required is not there.
	tool(t, "rpm", "--root", root, "--install", "--test", "--nodeps", "--nosignature", first.rpm)
	if out, err := exec.Command("rpm", "--root", root, "--install", "--test", "--nosignature", first.rpm).CombinedOutput(); err == nil || !strings.Contains(string(out), "groupadd") {
		t.Errorf("rpm misses nothing in an empty root: %v\n%s", err, out)
	}
}

// TestReproducible: two builds of one commit, in folders of different names, are
// the same byte for byte.
func TestReproducible(t *testing.T) {
	elsewhere := t.TempDir()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"cp", "-a"}
	for _, e := range entries {
		if name := e.Name(); name != "build" && name != "artifacts" && name != ".cache" {
			args = append(args, name)
		}
	}
	tool(t, append(args, elsewhere)...)
	t.Chdir(elsewhere)
	again, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{first.deb, again.deb}, {first.rpm, again.rpm}} {
		if !bytes.Equal(read(t, pair[0]), read(t, pair[1])) {
			t.Errorf("%s differs between two builds", filepath.Base(pair[0]))
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPackageVersion: packages sort as people do. dpkg compares.
func TestPackageVersion(t *testing.T) {
	at := func(second int) commit {
		return commit{describe: "78f0163", time: time.Date(2026, 11, 26, 1, 0, second, 0, time.UTC)}
	}
	rising := []string{
		packageVersion("", at(0)), // a hash that begins with a digit is no version
		packageVersion("a9ac9d0", at(1)),
		packageVersion("v1.2.3-rc1", at(0)),
		packageVersion("v1.2.3", at(0)),
		packageVersion("v1.2.3-4-g78f0163", at(0)),
		packageVersion("1.2.4", at(0)),
	}
	for i := range rising[1:] {
		if err := exec.Command("dpkg", "--compare-versions", rising[i], "lt", rising[i+1]).Run(); err != nil {
			t.Errorf("%s is not before %s", rising[i], rising[i+1])
		}
	}
}
