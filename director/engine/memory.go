package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"usher/vrrp/statefile"
	"usher/vrrp/sysctl"
)

// recordMost is how many bytes the file may have, some hundred times what the largest table has.
const recordMost = 256 << 20

// memory is what is remembered across restarts, and its file. Whoever changes the record
// has it kept before the kernel is asked for what follows from it.
type memory struct {
	record
	path    string // "" remembers nothing
	loaded  bool   // the file has been read
	unsaved error  // why the file does not hold the record; nil when it does
}

func newMemory(state string) *memory {
	m := &memory{}
	if state != "" {
		m.path = filepath.Join(state, "director.json")
	}
	return m
}

// load reads the file. What is damaged there is an error, or with repair is set aside, so
// that a bad file does not keep traffic from its servers, and what was left half written
// is cleared; loss then says what that costs.
func (m *memory) load(repair bool) (loss string, err error) {
	if repair && m.path != "" {
		statefile.Clear(m.path)
	}
	r, err := readRecord(m.path, bootID())
	var bad damaged
	if repair && errors.As(err, &bad) {
		var aside string
		if aside, err = bad.setAside(); err == nil {
			loss = fmt.Sprintf(
				"%v; it is kept as %s: overrides are lost, services of an earlier configuration stay in the kernel, and so do the kernel settings (sysctl, IPVS timeouts) that usher has changed, "+
					"for the values that they had before are lost, too: sysctl -w puts them back, the file may still show them", bad, aside)
		}
	}
	if err != nil {
		return "", err
	}
	m.record, m.loaded = r, true
	return loss, nil
}

// keep has the file hold the record. A folder that cannot be written, on a full disk
// say, keeps no traffic from its servers: what it lacks is missed only if usher is killed
// meanwhile.
func (m *memory) keep() { m.unsaved = m.write() }

// kept tries once more to write what could not be written, and tells why it still cannot.
func (m *memory) kept() error {
	if m.unsaved != nil {
		m.keep()
	}
	if m.unsaved != nil {
		return fmt.Errorf("director: remember what is owned: %w; make room or the folder writable: if usher is killed now, nobody knows what in the kernel is its own, and what operators said of servers is lost", m.unsaved)
	}
	return nil
}

// last writes the record for whoever comes next.
func (m *memory) last() error {
	if err := m.write(); err != nil {
		return fmt.Errorf("director: remember what is owned: %w", err)
	}
	return nil
}

// write writes the record so that a crash leaves the old or the new, never a part.
func (m *memory) write() error {
	if m.path == "" {
		return nil
	}
	data, err := json.Marshal(m.record)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o750); err != nil {
		return err
	}
	return statefile.Write(m.path, append(data, '\n'))
}

// damaged is the error of a file that is there but cannot be understood.
type damaged struct {
	path string
	err  error
}

func (e damaged) Error() string {
	return fmt.Sprintf("director: read the state in %s: %v", e.path, e.err)
}
func (e damaged) Unwrap() error { return e.err }

// setAside keeps a damaged file for whoever wants to look at it, out of the way.
func (e damaged) setAside() (string, error) {
	aside := e.path + ".damaged"
	return aside, os.Rename(e.path, aside)
}

// readRecord reads path; a file that is not there is an empty record, and so is what
// another boot wrote, overrides apart. "" is always empty.
func readRecord(path, boot string) (record, error) {
	fresh := record{Boot: boot}
	if path == "" {
		return fresh, nil
	}
	data, err := statefile.Read(path, recordMost)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if errors.Is(err, statefile.ErrForeign) {
		return fresh, damaged{path, err}
	}
	if err != nil {
		return fresh, fmt.Errorf("director: read the state: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return fresh, damaged{path, err}
	}
	if r.Boot != boot {
		fresh.Overrides = r.Overrides
		return fresh, nil
	}
	return r, nil
}

// bootID names this boot and network namespace as far as the machine tells.
func bootID() string {
	space, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		space = "unknown"
	}
	return cmp.Or(sysctl.Boot(), "unknown") + " " + space
}
