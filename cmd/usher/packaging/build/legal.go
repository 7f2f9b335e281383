package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const maintainer = "The usher authors <usher@localhost>"

// legal writes what Debian's policy (sections 12.5 and 12.7) has in every package:
// whose work is inside, on which terms, and what this version is. The program is
// linked statically, so the terms of all that it is made of go with it.
func (b *builder) legal(ctx context.Context) error {
	licences, err := b.licences(ctx)
	if err != nil {
		return err
	}
	if err := b.stageFile("copyright", licences); err != nil {
		return err
	}
	changes, err := compress(fmt.Appendf(nil, "usher (%s) unstable; urgency=medium\n\n  * Commit %s:\n    %s\n\n -- %s  %s\n",
		b.version, b.commit.hash, wrap(b.commit.subject, 76, "\n    "), maintainer, b.commit.time.Format("Mon, 02 Jan 2006 15:04:05 -0700")))
	if err != nil {
		return err
	}
	return b.stageFile("changelog.gz", changes)
}

// wrap breaks a text at spaces into lines of so many bytes, where its words allow it.
func wrap(text string, width int, end string) string {
	var b strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case length+1+len(word) > width:
			b.WriteString(end)
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}

// licences are the texts that the modules in the program, and Go itself, come with.
func (b *builder) licences(ctx context.Context) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "usher, High-availability director for Linux Virtual Server\nCopyright %d The usher authors\n", b.commit.time.Year())
	if own, err := licenceIn("."); err == nil {
		fmt.Fprintf(&text, "\n%s", own)
	}
	fmt.Fprint(&text, "\nThe program contains the work of others, on these terms:\n")
	out, err := b.output(ctx, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/usher")
	if err != nil {
		return nil, err
	}
	modules := slices.Compact(slices.Sorted(strings.FieldsFuncSeq(string(out), func(r rune) bool { return r == '\n' })))
	goroot, err := b.output(ctx, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return nil, err
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(goroot)), "\n")
	for _, m := range append(modules, "Go "+version+"\t"+root) {
		name, dir, _ := strings.Cut(m, "\t")
		own, err := licenceIn(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&text, "\n%s\n%s\n\n%s\n", name, strings.Repeat("-", len(name)), bytes.TrimSpace(own))
	}
	return text.Bytes(), nil
}

// licenceIn reads the licence, and the notice that goes with it, in a folder.
func licenceIn(dir string) ([]byte, error) {
	var text []byte
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "NOTICE*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.IsDir() {
				continue // of REUSE: the licences of everything that is not code, too
			}
			t, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			text = append(append(text, bytes.TrimSpace(t)...), '\n')
		}
	}
	if text == nil {
		return nil, fmt.Errorf("no licence in %s", dir)
	}
	return text, nil
}

func compress(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
