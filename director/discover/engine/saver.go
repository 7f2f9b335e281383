package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"usher/director/discover"
	"usher/vrrp/statefile"
)

// folder is where in the state folder the sets are, a file for each pool: one server that
// comes costs the writing of one pool.
const folder = "discovered"

// poolMost is how many bytes the file of a pool may have, far more than any pool needs.
const poolMost = 256 << 20

// saveRetry is when a file that could not be written is tried again.
const saveRetry = 10 * time.Second

// saver keeps sets in the state folder.
type saver struct {
	path  string // of the folder; "" where nothing is kept
	mu    *sync.Mutex
	dirty map[string]bool // pools that are to be written, or removed
	kick  chan struct{}
}

func newSaver(state string) saver {
	s := saver{mu: new(sync.Mutex), dirty: map[string]bool{}, kick: make(chan struct{}, 1)}
	if state != "" {
		s.path = filepath.Join(state, folder)
	}
	return s
}

func (s *saver) file(name string) string {
	sum := sha256.Sum256([]byte(name)) // a name may have any character, and be long
	return filepath.Join(s.path, hex.EncodeToString(sum[:16])+".json")
}

// load gives what is kept of a pool. What is damaged is set aside, and an error.
func (s *saver) load(name string) (discover.Stored, error) { return load(s.path, s.file(name)) }

func load(path, file string) (out discover.Stored, err error) {
	if path == "" {
		return out, nil
	}
	text, err := statefile.Read(file, poolMost)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err == nil {
		if err = json.Unmarshal(text, &out); err == nil {
			return out, nil
		}
	}
	if moved := os.Rename(file, file+".damaged"); moved == nil {
		err = fmt.Errorf("%w; it is kept as %s.damaged", err, file)
	}
	return discover.Stored{}, fmt.Errorf("the discovered servers of before cannot be read from %s: %w", file, err)
}

// Kept gives what a state folder has of a pool, for whoever only wants to know: nothing
// where it is not there or cannot be read.
func Kept(state, name string) discover.Stored {
	s := newSaver(state)
	var out discover.Stored
	if text, err := statefile.Read(s.file(name), poolMost); err != nil || json.Unmarshal(text, &out) != nil {
		return discover.Stored{}
	}
	return out
}

// mark has a pool written soon.
func (s *saver) mark(name string) {
	if s.path == "" {
		return
	}
	s.mu.Lock()
	s.dirty[name] = true
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// run writes what is marked until ctx ends, and then what is left.
func (s *saver) run(ctx context.Context, stored func(string) *discover.Stored, failed func(error)) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			if err := s.write(stored); err != nil {
				failed(err)
			}
			return
		case <-s.kick:
		case <-retry.C:
		}
		err := s.write(stored)
		if err != nil {
			retry.Reset(saveRetry)
			if !told {
				failed(err)
			}
		}
		told = err != nil
	}
}

func (s *saver) write(stored func(string) *discover.Stored) error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = map[string]bool{}
	s.mu.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	var all []error
	if err := os.MkdirAll(s.path, 0o750); err != nil {
		all = append(all, err)
	}
	for name := range dirty {
		if err := s.one(name, stored(name)); err != nil {
			all = append(all, err)
			s.mu.Lock()
			s.dirty[name] = true
			s.mu.Unlock()
		}
	}
	return errors.Join(all...)
}

// one writes what is kept of a pool, or removes it.
func (s *saver) one(name string, content *discover.Stored) error {
	if content == nil {
		if err := os.Remove(s.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return statefile.Write(s.file(name), append(text, '\n'))
}

// sweep removes what a write that was killed left behind, and what is kept of pools that
// are none any more.
func (s *saver) sweep(names []string) {
	if s.path == "" {
		return
	}
	known := map[string]bool{}
	for _, n := range names {
		known[filepath.Base(s.file(n))] = true
	}
	entries, _ := os.ReadDir(s.path)
	for _, e := range entries {
		if name := e.Name(); !known[name] && !strings.HasSuffix(name, ".damaged") {
			_ = os.Remove(filepath.Join(s.path, name))
		}
	}
}
