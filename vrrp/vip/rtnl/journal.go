package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"usher/vrrp/statefile"
	"usher/vrrp/sysctl"
)

// journalMost is how many bytes the file may have: some hundred for each setting.
const journalMost = 16 << 20

// journal keeps in a file what each kernel setting was before it was changed, for
// whoever has to put it back when this process could not.
type journal struct {
	path    string
	told    func(error)
	entries map[string]entry // by key
	unsaved bool             // the file does not say what entries do
}

// entry is one changed setting.
type entry struct {
	Before string `json:"before"`
	Value  string `json:"value"` // what it was changed to
	Index  int    `json:"index"` // of its interface, which may be another one of that name by then; 0 where it has none
}

// content is what the file holds.
type content struct {
	Boot     string           `json:"boot"` // of the machine: settings do not outlive it
	Settings map[string]entry `json:"settings"`
}

// add writes down a setting that is about to be changed, as far as that can be done: an
// address is worth more than a setting that stays after a crash.
func (j *journal) add(key, before, value string) {
	if j != nil {
		j.entries[key] = entry{before, value, indexOf(key)}
		j.save()
	}
}

// remove strikes a setting that has been put back.
func (j *journal) remove(key string) {
	if j != nil {
		delete(j.entries, key)
		j.save()
	}
}

// save brings the file in line, and tells when that begins to fail and when it works again.
func (j *journal) save() {
	err := j.write()
	if was := j.unsaved; was != (err != nil) {
		j.unsaved = !was
		j.told(err)
	}
}

// again tries what failed before.
func (j *journal) again() {
	if j != nil && j.unsaved {
		j.save()
	}
}

// write replaces the file at once. It does not wait for the disk: what a crash of
// the machine loses is void after it.
func (j *journal) write() error {
	if len(j.entries) == 0 {
		if err := os.Remove(j.path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := json.Marshal(content{sysctl.Boot(), j.entries})
	if err != nil {
		return err
	}
	return statefile.Replace(j.path, b)
}

// Recover puts back the settings that a process which is gone had changed, by the
// file that it was told to Remember them in, and removes the file. It gives what it
// put back. A setting that somebody else changed since, or whose interface is
// gone, is left alone; an interface with another name now has it put back there.
func Recover(path string) (restored []string, err error) {
	b, err := statefile.Read(path, journalMost)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, statefile.ErrForeign) { // nothing can be learnt from it either
		return nil, errors.Join(fmt.Errorf("vrrp: kernel settings to put back: %w", err), os.Remove(path))
	}
	if err != nil {
		return nil, fmt.Errorf("vrrp: kernel settings to put back: %w", err)
	}
	var c content
	if err := json.Unmarshal(b, &c); err != nil {
		// Nothing can be learnt from it, and it would be in the way for ever.
		return nil, errors.Join(fmt.Errorf("vrrp: kernel settings to put back: %s: %w", path, err), os.Remove(path))
	}
	var errs []error
	for key, e := range c.Settings {
		key, there := present(key, e.Index)
		if !there || c.Boot != sysctl.Boot() {
			continue
		}
		now, err := read(key)
		if errors.Is(err, unix.ENODEV) || (err == nil && now != e.Value) {
			continue
		}
		if err = errors.Join(err, write(key, e.Before)); err != nil {
			errs = append(errs, err)
			continue
		}
		restored = append(restored, key+"="+e.Before)
	}
	slices.Sort(restored)
	return restored, errors.Join(append(errs, os.Remove(path))...)
}

// Remember has every setting written to a file before it is changed, for Recover.
// It is to be called before the first change. What the file holds of a process
// before this one has to be recovered first. A file that cannot be written stops
// nothing: told hears the error, and nil once it is written after all, which is tried
// at each look.
func (k *Kernel) Remember(path string, told func(error)) {
	statefile.Clear(path)
	k.settings.journal = &journal{path: path, told: told, entries: map[string]entry{}}
}

// JournalFile is the name of the file for Remember in a state folder.
func JournalFile(state string) string { return filepath.Join(state, "vrrp-settings.json") }

// indexOf is the index of the interface that a setting is of; 0 for one of none, and
// where there is no such interface.
func indexOf(key string) int {
	part, ok := ofInterface(key)
	if !ok {
		return 0
	}
	ifi, err := net.InterfaceByName(part[3])
	if err != nil {
		return 0
	}
	return ifi.Index
}

// present is a setting under the name that its interface has at present, by the index
// that it had when it was written down; it is there no more with its interface.
func present(key string, index int) (now string, there bool) {
	part, ok := ofInterface(key)
	if !ok {
		return key, true
	}
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return key, false
	}
	part[3] = ifi.Name
	return strings.Join(part, "/"), true
}

// ofInterface gives the parts of a setting that is of one interface, as in
// net/ipv4/conf/NAME/KEY.
func ofInterface(key string) (part []string, ok bool) {
	part = strings.Split(key, "/")
	return part, len(part) == 5 && part[2] == "conf" && part[3] != "all" && part[3] != "default"
}
