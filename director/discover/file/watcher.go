package file

import (
	"context"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// Watcher tells all Readers of a process of changes: the kernel bounds how many of its
// kind a user may have. What it misses, a folder that comes later or one too many, the
// Readers see at their next interval.
type Watcher struct {
	mu      sync.Mutex
	notify  *fsnotify.Watcher
	folders map[string][]*Reader
}

// NewWatcher opens one. It tells nobody anything before Run.
func NewWatcher() (*Watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &Watcher{notify: n, folders: map[string][]*Reader{}}, nil
}

// Run tells of changes until ctx ends, and closes the Watcher.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.notify.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.notify.Errors: // too much happened at once: something may be missing
			if !ok {
				return nil
			}
			w.mu.Lock()
			for _, readers := range w.folders {
				tell(readers)
			}
			w.mu.Unlock()
		case e, ok := <-w.notify.Events:
			if !ok {
				return nil
			}
			w.event(e)
		}
	}
}

func (w *Watcher) event(e fsnotify.Event) {
	if e.Op == fsnotify.Chmod {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	tell(w.folders[filepath.Dir(e.Name)])
	if readers, itself := w.folders[e.Name]; itself && e.Has(fsnotify.Remove|fsnotify.Rename) {
		_ = w.notify.Remove(e.Name) // one of that name may come: it is added when they read
		delete(w.folders, e.Name)
		tell(readers)
	}
}

// tell never blocks: who has not yet heard of the last change will read this one, too.
func tell(readers []*Reader) {
	for _, r := range readers {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
}

// watch makes folders those that a Reader hears of.
func (w *Watcher) watch(r *Reader, folders []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range folders {
		if slices.Contains(w.folders[f], r) {
			continue
		}
		if len(w.folders[f]) == 0 && w.notify.Add(f) != nil {
			continue // not there, or one too many
		}
		w.folders[f] = append(w.folders[f], r)
	}
	for f := range w.folders {
		if !slices.Contains(folders, f) {
			w.drop(f, r)
		}
	}
}

// forget has a Reader hear of nothing more.
func (w *Watcher) forget(r *Reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f := range w.folders {
		w.drop(f, r)
	}
}

// drop takes a Reader from a folder, which nobody watches where it was the last. Caller
// holds mu.
func (w *Watcher) drop(folder string, r *Reader) {
	w.folders[folder] = slices.DeleteFunc(w.folders[folder], func(o *Reader) bool { return o == r })
	if len(w.folders[folder]) == 0 {
		delete(w.folders, folder)
		_ = w.notify.Remove(folder)
	}
}
