// Package file reads sources of kind file: files in the form of Prometheus' file_sd. The
// kernel tells when something in their folders changes, and they are read once nobody
// has written them for a moment. A file that is replaced by a rename, or behind a
// symbolic link (as Kubernetes does with ..data), is seen like one that is written anew.
//
//	w, err := file.NewWatcher()
//	go w.Run(ctx)
//	r := file.New(source, disk, w)
//	answer := r.Read(ctx)
//	<-r.Changed() // there may be another
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"usher/director/discover"
	"usher/director/discover/sd"
	"usher/healthcheck"
)

// mostFiles is how many files a source can be.
const mostFiles = 256

// quiet is how long nobody may have written a file that is read.
const quiet = 100 * time.Millisecond

// Files reads what is there, within bounds of size and time.
type Files interface {
	Read(ctx context.Context, path string, limit int64) ([]byte, error)
	Stat(ctx context.Context, path string) (fs.FileInfo, error)
	Folder(ctx context.Context, path string) ([]fs.DirEntry, error)
}

// Reader reads the files of one source. Its methods are called from one goroutine.
type Reader struct {
	source  discover.Source
	files   Files
	watcher *Watcher // nil for none
	changed chan struct{}
	last    []string // the files that were read last
}

// New makes a Reader of a source of kind file. watcher tells of changes; nil for none.
func New(s discover.Source, files Files, watcher *Watcher) *Reader {
	return &Reader{source: s, files: files, watcher: watcher, changed: make(chan struct{}, 1)}
}

// Changed gives something when there may be something new to read.
func (r *Reader) Changed() <-chan struct{} { return r.changed }

// Close ends the watching.
func (r *Reader) Close() {
	if r.watcher != nil {
		r.watcher.forget(r)
	}
}

// Read reads all files of the source. One that cannot be read makes the whole answer none.
// It ends with ctx.
func (r *Reader) Read(ctx context.Context) discover.Answer {
	var all discover.Answer
	r.watch() // before the look, so that nothing comes between
	paths, err := r.paths(ctx)
	if err == nil {
		r.last = paths
		r.watch()
		for _, path := range paths {
			a, readErr := r.one(ctx, path)
			if err = readErr; err != nil {
				break
			}
			all.Entries, all.Ignored = append(all.Entries, a.Entries...), append(all.Ignored, a.Ignored...)
		}
	}
	var f *discover.Failure
	switch {
	case err == nil:
		return all
	case errors.As(err, &f):
	case ctx.Err() != nil:
		f = &discover.Failure{Reason: discover.ReasonTimeout, Text: healthcheck.Printable(err.Error())}
	default:
		f = &discover.Failure{Reason: discover.ReasonUnreadable, Text: healthcheck.Printable(err.Error())}
	}
	return discover.Answer{Failure: f}
}

// one reads a file once it is whole, as far as that can be seen.
func (r *Reader) one(ctx context.Context, path string) (discover.Answer, error) {
	info, err := r.files.Stat(ctx, path)
	if err != nil {
		return discover.Answer{}, err
	}
	for fresh(info) {
		select {
		case <-ctx.Done():
			return discover.Answer{}, fmt.Errorf("%s is being written all the time", path)
		case <-time.After(quiet):
		}
		now, err := r.files.Stat(ctx, path)
		if err != nil {
			return discover.Answer{}, err
		}
		before := info
		if info = now; unchanged(before, now) {
			break
		}
	}
	text, err := r.files.Read(ctx, path, sd.MaxBytes)
	if err != nil {
		if info.Size() > sd.MaxBytes {
			return discover.Answer{}, &discover.Failure{Reason: discover.ReasonTooLarge, Text: healthcheck.Printable(err.Error())}
		}
		return discover.Answer{}, err
	}
	a := sd.YAML
	if filepath.Ext(path) == ".json" {
		a = sd.JSON
	}
	out := a(text)
	if out.Failure != nil {
		return out, &discover.Failure{Reason: out.Failure.Reason, Text: healthcheck.Printable(path + ": " + out.Failure.Text)}
	}
	return out, nil
}

// fresh tells whether a file was written just now.
func fresh(i fs.FileInfo) bool { return time.Since(i.ModTime()).Abs() < quiet }

func unchanged(a, b fs.FileInfo) bool { return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) }

// paths gives the files that there are, sorted. A pattern may match some; a path, and the
// patterns of a source together, must be there.
func (r *Reader) paths(ctx context.Context) ([]string, error) {
	var all []string
	for _, p := range r.source.File.Paths {
		if !pattern(p) {
			all = append(all, p)
			continue
		}
		entries, err := r.files.Folder(ctx, filepath.Dir(p))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if ok, _ := filepath.Match(filepath.Base(p), e.Name()); ok && !e.IsDir() {
				all = append(all, filepath.Join(filepath.Dir(p), e.Name()))
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	switch {
	case len(all) == 0:
		return nil, &discover.Failure{Reason: discover.ReasonUnreadable, Text: "no file matches " + healthcheck.Printable(strings.Join(r.source.File.Paths, ", "))}
	case len(all) > mostFiles:
		return nil, &discover.Failure{Reason: discover.ReasonTooLarge, Text: fmt.Sprintf("%d files match, more than %d", len(all), mostFiles)}
	}
	return all, nil
}

// pattern tells whether a path stands for the files that match it.
func pattern(path string) bool { return strings.ContainsAny(filepath.Base(path), `*?[\`) }

// watch has the folders of the source watched, and those that links of paths lead to.
func (r *Reader) watch() {
	if r.watcher == nil {
		return
	}
	var folders []string
	for _, p := range slices.Concat(r.source.File.Paths, r.last) {
		folders = append(folders, filepath.Dir(p))
	}
	for _, p := range r.last {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	slices.Sort(folders)
	r.watcher.watch(r, slices.Compact(folders))
}
