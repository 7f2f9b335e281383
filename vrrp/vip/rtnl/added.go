package rtnl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"usher/vrrp/statefile"
	"usher/vrrp/sysctl"
)

// added remembers which addresses without a lease usher put there, on a kernel that keeps
// no marks: nobody else would know after a crash. It is a file of lines that only grows
// while the process lives, so that to take over costs one small write for each address.
type added struct {
	path string
	keep bool // this process adds, and so writes; else it reads what another one wrote

	mu   sync.Mutex
	file *os.File // nil before the first address
	all  map[place]bool
}

// addedMost is how many bytes are read of the file, at most: a million addresses.
const addedMost = 1 << 26

// AddedFile is the name of the file for RememberAdded and RecallAdded in a state folder.
func AddedFile(state string) string { return filepath.Join(state, "vrrp-addresses") }

// RememberAdded has every permanent address written to a file that is put into a kernel
// which keeps no marks. Those that a process before this one wrote down, and that are
// there, are usher's, as if they were marked.
func (k *Kernel) RememberAdded(path string) error { return k.added.open(k.markless, path, true) }

// RecallAdded takes for usher's what another process wrote down, as long as that lives
// and after its end.
func (k *Kernel) RecallAdded(path string) error { return k.added.open(k.markless, path, false) }

func (a *added) open(markless bool, path string, keep bool) error {
	if !markless {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.path, a.keep = path, keep
	if !keep {
		return nil
	}
	if err := a.read(); err != nil {
		return err
	}
	there, err := readAddresses(listOnce)
	if err != nil {
		return err
	}
	for at := range a.all {
		if _, ok := there[at]; !ok {
			delete(a.all, at) // what somebody puts there later is not usher's
		}
	}
	return a.begin()
}

// read takes over what the file says, as far as it was written since the machine started.
func (a *added) read() error {
	a.all = map[place]bool{}
	// Not through a link, and without waiting for what is no plain file.
	f, err := os.OpenFile(a.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("vrrp: addresses that were added: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(io.LimitReader(f, addedMost))
	if !lines.Scan() || lines.Text() != sysctl.Boot() {
		return lines.Err()
	}
	for lines.Scan() {
		var sign, text string
		var at place
		if n, err := fmt.Sscan(lines.Text(), &sign, &at.index, &text); n != 3 || err != nil {
			continue // the last one, of a process that was killed
		}
		if at.prefix, err = netip.ParsePrefix(text); err != nil {
			continue
		}
		if sign == "-" {
			delete(a.all, at)
		} else {
			a.all[at] = true
		}
	}
	return lines.Err()
}

// begin writes the file anew, with what holds.
func (a *added) begin() error {
	var b strings.Builder
	fmt.Fprintln(&b, sysctl.Boot())
	for at := range a.all {
		fmt.Fprintln(&b, "+", at.index, at.prefix)
	}
	statefile.Clear(a.path)
	f, err := statefile.Begin(a.path, []byte(b.String()))
	if err != nil {
		return fmt.Errorf("vrrp: addresses that are added: %w", err)
	}
	a.file = f
	return nil
}

// note writes down that an address was added, or removed. What cannot be written is lost
// to the next process alone.
func (a *added) note(at place, there bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil || a.all[at] == there {
		return
	}
	sign := "+"
	if a.all[at] = there; !there {
		sign = "-"
		delete(a.all, at)
	}
	_, _ = fmt.Fprintln(a.file, sign, at.index, at.prefix)
}

// has says whether usher put an address there.
func (a *added) has(at place) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[at]
}

// recall reads what another process has written by now.
func (a *added) recall() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.path == "" || a.keep {
		return nil
	}
	return a.read()
}

func (a *added) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// Added says whether usher put an address on the interface of that index, as far as it is
// remembered: on a kernel that keeps marks, it is not.
func (k *Kernel) Added(index int, p netip.Prefix) bool { return k.added.has(place{index, p}) }

// markless says that the kernel keeps no marks of addresses, as those before 5.18. One of
// a distribution that has them all the same loses nothing.
func markless() bool {
	var u unix.Utsname
	var major, minor int
	if err := unix.Uname(&u); err != nil {
		return false
	}
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major < 5 || major == 5 && minor < 18
}
