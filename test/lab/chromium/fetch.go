package chromium

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/andybalholm/brotli"

	"usher/test/lab/debian"
)

// The npm package with a headless Chromium for amd64, compressed by brotli, and its
// digest in npm's form: `npm view PACKAGE dist.integrity`.
const (
	version   = "147.0.0"
	source    = "@sparticuz/chromium@" + version
	integrity = "sha512-4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
	member    = "package/bin/chromium.br"
)

// Fetch gets a Chromium into the checkout at root where Find knows none, and says
// so on w; once that is done it needs no network. Two processes may call it at once.
func Fetch(ctx context.Context, w io.Writer, root string) error {
	return fetch(ctx, w, root, integrity)
}

func fetch(ctx context.Context, w io.Writer, root, integrity string) error {
	if _, err := Find(root); err == nil {
		return nil
	}
	to := fetched(root)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	unlock, err := debian.Lock(filepath.Join(filepath.Dir(to), "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := Find(root); err == nil {
		return nil
	}
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("no Chromium is known for %s where the distribution has no package %s", runtime.GOARCH, packaged.Package)
	}
	fmt.Fprintf(w, "downloading, not installing (npm pack): %s\n", source)
	if err := build(ctx, to, integrity); err != nil {
		return fmt.Errorf("get a Chromium, as the distribution has it only as a snap: %w\n"+
			"run this again where npm reaches its registry (`npm view %s` answers there), or put a Chromium at %s", err, source, packaged.Program)
	}
	return nil
}

// build makes the program, beside which everything else is removed again.
func build(ctx context.Context, to, integrity string) error {
	dir := to + ".new"
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "npm", "pack", "--loglevel=error", "--logs-max=0", "--cache="+filepath.Join(dir, "npm"), source)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // Node.js may keep compiled code there
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w\n%s", err, out)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return err
	}
	if len(archives) != 1 {
		return fmt.Errorf("npm pack made %d archives, want 1", len(archives))
	}
	if err := verify(archives[0], integrity); err != nil {
		return err
	}
	program := filepath.Join(dir, "chromium")
	if err := unpack(archives[0], program); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(archives[0]), err)
	}
	// The rename comes last, so that half a program is never taken for a whole one.
	return os.Rename(program, to)
}

func verify(archive, integrity string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != integrity {
		return fmt.Errorf("npm gave another %s than the known one: its digest is %s, not %s", source, got, integrity)
	}
	return nil
}

// unpack writes the program in the archive to a new file.
func unpack(archive, program string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for files := tar.NewReader(plain); ; {
		switch file, err := files.Next(); {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("it has no file %s", member)
		case err != nil:
			return err
		case file.Name == member:
			return write(program, brotli.NewReader(files))
		}
	}
}

func write(program string, r io.Reader) error {
	f, err := os.OpenFile(program, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
