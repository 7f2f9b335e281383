package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"usher/vrrp/hold"
)

// settings remembers what sysctls were before the first who changed them. Its zero
// value is ready.
type settings struct {
	mu      sync.Mutex
	keys    map[string]*setting
	changed func(key, before string, held bool) // may be nil
}

type setting struct {
	before string
	owners map[string]bool
}

// set makes a setting what it shall be. It is fs.ErrExist where the same owner set
// it already and it still is.
func (s *settings) set(o hold.Sysctl) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := read(o.Key)
	if err != nil {
		return err
	}
	k := s.keys[o.Key]
	if k != nil && k.owners[o.Owner] && now == o.Value {
		return fs.ErrExist
	}
	if now != o.Value {
		if err := write(o.Key, o.Value); err != nil {
			return err
		}
	}
	if k == nil {
		if s.keys == nil {
			s.keys = map[string]*setting{}
		}
		k = &setting{before: now, owners: map[string]bool{}}
		s.keys[o.Key] = k
		if s.changed != nil {
			s.changed(o.Key, now, true)
		}
	}
	k.owners[o.Owner] = true
	return nil
}

// putBack gives up a setting; the last owner restores what was before.
func (s *settings) putBack(o hold.Sysctl) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[o.Key]
	if k == nil || !k.owners[o.Owner] {
		return fs.ErrNotExist
	}
	delete(k.owners, o.Owner)
	if len(k.owners) > 0 {
		return nil
	}
	delete(s.keys, o.Key)
	if s.changed != nil {
		s.changed(o.Key, k.before, false)
	}
	return write(o.Key, k.before)
}

// OnSetting has f called with each setting that is changed, and what it was before,
// and again when that is put back: for whoever has to do that if this process dies.
// It is to be called before the first change, and f must not block.
func (k *Kernel) OnSetting(f func(key, before string, held bool)) { k.settings.changed = f }

// PutBack gives a setting the value that another process found. A setting whose
// interface is gone is no error.
func (k *Kernel) PutBack(key, before string) error {
	err := write(key, before)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

const sysctls = "/proc/sys/"

func read(key string) (string, error) {
	b, err := os.ReadFile(sysctls + key)
	if err != nil {
		return "", noInterface(key, err)
	}
	return strings.TrimSpace(string(b)), nil
}

func write(key, value string) error {
	// The file is there or is not: to create one is never meant.
	f, err := os.OpenFile(sysctls+key, os.O_WRONLY, 0)
	if err != nil {
		return noInterface(key, err)
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// noInterface says what a setting that is not there means: its interface is gone.
func noInterface(key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sysctl %s: %w", key, unix.ENODEV)
	}
	return err
}
