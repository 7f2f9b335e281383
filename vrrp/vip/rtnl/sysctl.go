package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"usher/vrrp/sysctl"
	"usher/vrrp/vip"
)

// settings remembers what sysctls were before the first who changed them. Its zero
// value is ready.
type settings struct {
	mu      sync.Mutex
	keys    map[string]*setting
	journal *journal // nil where nobody shall put them back
}

type setting struct {
	before string
	index  int // of its interface, as in entry
	owners map[string]bool
}

// set makes a setting what it shall be. It is fs.ErrExist where the same owner set
// it already and it still is.
func (s *settings) set(o vip.Sysctl) error {
	if void(o.Key) {
		return fs.ErrExist
	}
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
	index := indexOf(o.Key)
	if now != o.Value {
		before := now
		if k != nil && k.index == index {
			before = k.before
		}
		s.journal.add(o.Key, before, o.Value)
		if err := write(o.Key, o.Value); err != nil {
			return err
		}
		if k != nil {
			k.before, k.index = before, index // of another interface of that name, perhaps
		}
	}
	if k == nil {
		if s.keys == nil {
			s.keys = map[string]*setting{}
		}
		k = &setting{before: now, index: index, owners: map[string]bool{}}
		s.keys[o.Key] = k
	}
	k.owners[o.Owner] = true
	return nil
}

// owns says whether an owner's wish is on record.
func (s *settings) owns(o vip.Sysctl) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[o.Key]
	return k != nil && k.owners[o.Owner]
}

// putBack gives up a setting; the last owner restores what was before.
func (s *settings) putBack(o vip.Sysctl) error {
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
	// Struck only when it is done: to put it back twice does no harm.
	var err error
	if key, there := present(o.Key, k.index); there {
		err = write(key, k.before)
	}
	s.journal.remove(o.Key)
	return err
}

// remember tries once more to write down what could not be.
func (s *settings) remember() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.again()
}

// hasIPv6 says whether the kernel has IPv6 at all.
func hasIPv6() bool { return sysctl.Has("net/ipv6/conf") }

func read(key string) (string, error) {
	value, err := sysctl.Get(key)
	return value, noInterface(key, err)
}

func write(key, value string) error { return noInterface(key, sysctl.Set(key, value)) }

// noInterface says what a setting that is not there means: its interface is gone.
func noInterface(key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sysctl %s: %w", key, unix.ENODEV)
	}
	return err
}
