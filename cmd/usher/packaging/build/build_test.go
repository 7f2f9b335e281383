package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packages builds them in the checkout's root and gives the Debian and the RPM one.
func packages(t *testing.T) (deb, rpm string) {
	t.Helper()
	out := t.TempDir()
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), []string{"-version", "1.2.3", "-out", out}, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	files := strings.Fields(stdout.String())
	if len(files) != 2 {
		t.Fatalf("made %q", files)
	}
	return files[0], files[1]
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
	t.Chdir("../../../..")
	deb, rpm := packages(t)

	inside := []string{"/usr/bin/usher", "/usr/lib/systemd/system/usher.service", "/usr/share/man/man8/usher.8.gz", "/etc/usher",
		"/usr/share/bash-completion/completions/usher", "/usr/lib/sysusers.d/usher.conf", "/usr/share/doc/usher/examples/nat.hcl",
		"/usr/share/doc/usher/examples/prometheus-alerts.yml"}
	debFiles, rpmFiles := tool(t, "dpkg-deb", "--contents", deb), tool(t, "rpm", "-qpl", "--nosignature", rpm)
	for _, file := range inside {
		if !strings.Contains(debFiles, " ."+file) || !strings.Contains(rpmFiles, file) {
			t.Errorf("%s is not in both packages", file)
		}
	}
	if got := tool(t, "dpkg-deb", "--field", deb, "Package", "Version", "Architecture"); !strings.Contains(got, "Version: 1.2.3\n") {
		t.Errorf("fields: %s", got)
	}
	if got := tool(t, "rpm", "-qp", "--nosignature", "--qf", "%{NAME} %{VERSION}", rpm); !strings.HasPrefix(got, "usher 1.2.3") {
		t.Errorf("rpm: %s", got)
	}

	root := t.TempDir()
	tool(t, "dpkg-deb", "--extract", deb, root)
	if got := tool(t, filepath.Join(root, "usr/bin/usher"), "version"); !strings.HasPrefix(got, "usher 1.2.3\n") {
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
	if got := tool(t, "systemd-analyze", "verify", "--man=no", name); strings.Contains(got, "usher.service") {
		t.Errorf("systemd-analyze verify: %s", got)
	}
	tool(t, "systemd-analyze", "security", "--offline=true", "--threshold=40", name)
}

// TestReproducible: two builds of one checkout are the same, byte for byte.
func TestReproducible(t *testing.T) {
	t.Chdir("../../../..")
	deb1, rpm1 := packages(t)
	deb2, rpm2 := packages(t)
	for _, pair := range [][2]string{{deb1, deb2}, {rpm1, rpm2}} {
		a, err := os.ReadFile(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", filepath.Base(pair[0]))
		}
	}
}
