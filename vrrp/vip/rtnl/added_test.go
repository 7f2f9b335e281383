package rtnl

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// openMarkless opens the kernel as one that keeps no marks.
func openMarkless(t *testing.T) *Kernel {
	k := open(t)
	k.markless = true
	return k
}

// TestAdded: what a process put there without a lease is known to be usher's after its
// death, on a kernel that keeps no marks; what it removed, or somebody else added, is not.
func TestAdded(t *testing.T) {
	pair(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	unmarked := func(how, prefix string) {
		t.Helper()
		if out, err := exec.Command("ip", "address", how, prefix, "dev", "u0").CombinedOutput(); err != nil {
			t.Fatalf("ip address %s: %v: %s", how, err, out)
		}
	}
	path := filepath.Join(t.TempDir(), "added")
	address := func(s string) vip.Address { return vip.Address{Link: "u0", Prefix: netip.MustParsePrefix(s)} }
	left, removed, gone, foreign := address("192.0.2.1/32"), address("192.0.2.2/32"), address("192.0.2.3/32"), address("192.0.2.4/32")
	dead, other := openMarkless(t), openMarkless(t)
	must(dead.RememberAdded(path))
	must(other.RecallAdded(path))
	for _, a := range []vip.Address{left, removed, gone} {
		must(dead.Add(a))
		unmarked("change", a.Prefix.String())
	}
	must(dead.Remove(removed))
	unmarked("add", removed.Prefix.String())
	unmarked("add", foreign.Prefix.String())
	ours := func(k *Kernel) map[vip.Object]bool {
		t.Helper()
		all, err := k.Addresses()
		must(err)
		m := map[vip.Object]bool{}
		for _, f := range all {
			if f.Ours {
				m[f.Address.Identity()] = true
			}
		}
		return m
	}
	for name, k := range map[string]*Kernel{"itself": dead, "another": other} {
		if m := ours(k); len(m) != 2 || !m[left.Identity()] || !m[gone.Identity()] {
			t.Errorf("while it lives %s knows %v", name, m)
		}
	}
	if seen, err := dead.Look([]vip.Object{left, foreign}); err != nil || seen[0] != vip.InPlace || seen[1] != vip.Foreign {
		t.Errorf("seen %v, %v", seen, err)
	}
	// What was killed in the midst of a line, and an address that went meanwhile.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(err)
	_, err = f.WriteString("+ 1 19")
	must(errors.Join(err, f.Close()))
	unmarked("delete", gone.Prefix.String())
	next := openMarkless(t)
	must(next.RememberAdded(path))
	unmarked("add", gone.Prefix.String()) // by somebody else
	if m := ours(next); len(m) != 1 || !m[left.Identity()] {
		t.Errorf("the next process knows %v", m)
	}
	c := vrrp.Config{Name: "web", Interface: "u0", VRID: 51, Priority: 100}
	for _, a := range []vip.Address{left, removed, gone, foreign} {
		c.Addresses = append(c.Addresses, vrrp.Address{Prefix: a.Prefix})
	}
	if done, err := vip.Cleanup(t.Context(), next, []vrrp.Config{c}); err != nil || len(done) != 1 || done[0].Identity() != left.Identity() {
		t.Errorf("removed %v, %v", done, err)
	}
	if m := ours(next); len(m) > 0 {
		t.Errorf("after that it knows %v", m)
	}
}

// TestAddedThroughLink: what somebody has put in the file's place is neither read nor written.
func TestAddedThroughLink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "added"), filepath.Join(dir, "target")
	if err := errors.Join(os.WriteFile(target, []byte("theirs"), 0o600), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	if err := openMarkless(t).RememberAdded(path); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link: %v", err)
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "theirs" {
		t.Errorf("what it names is %q, %v", b, err)
	}
}
