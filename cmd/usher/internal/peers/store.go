package peers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"usher/cmd/usher/internal/peers/share"
	"usher/vrrp/statefile"
)

// store is the file of what is shared, in the state folder, in the form of a message, with
// a line for each server of which something was said for this director alone.
type store struct{ path string }

const storeName = "peers"

func newStore(folder string) store {
	if folder == "" {
		return store{}
	}
	return store{filepath.Join(folder, storeName)}
}

// kindFile is the message in the file.
const kindFile share.Kind = "file"

// load reads the file; what is not there is empty.
func (s store) load(now time.Time) (entries []share.Held, local map[share.Key]bool, err error) {
	local = map[share.Key]bool{}
	if s.path == "" {
		return nil, local, nil
	}
	statefile.Clear(s.path)
	text, err := statefile.Read(s.path, 2*share.MaxMessage)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, local, nil
	}
	if err != nil {
		return nil, local, fmt.Errorf("peers: %w", err)
	}
	m, refused, err := share.Decode(text, now)
	if err != nil || m.Kind != kindFile {
		return nil, local, fmt.Errorf("peers: %s cannot be read: what was shared is asked of the other directors", s.path)
	}
	away := max(0, now.Sub(m.Sent))
	for _, h := range m.Entries {
		if !h.Ends.IsZero() {
			h.Ends = h.Ends.Add(-away)
		}
		entries = append(entries, h)
	}
	for l := range bytes.Lines(text) {
		var k share.Key
		if l[0] == 'l' && len(local) < share.MaxEntries && json.Unmarshal(l[1:], &k) == nil {
			local[k] = true
		}
	}
	if refused > 0 {
		err = fmt.Errorf("peers: %d lines of %s cannot be read: what they said is asked of the other directors", refused, s.path)
	}
	return entries, local, err
}

// save writes the file.
func (s store) save(name string, entries []share.Held, local map[share.Key]bool, now time.Time) error {
	if s.path == "" {
		return nil
	}
	m := share.Message{Header: share.Header{Kind: kindFile, From: name}, Entries: entries}
	text := m.Encode(now)
	for k := range local {
		line, err := json.Marshal(k)
		if err != nil {
			return fmt.Errorf("peers: %w", err)
		}
		text = append(append(append(text, 'l'), line...), '\n')
	}
	if err := statefile.Write(s.path, text); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	return nil
}

// clear removes it.
func (s store) clear() error {
	if s.path == "" {
		return nil
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("peers: %w", err)
	}
	return nil
}
