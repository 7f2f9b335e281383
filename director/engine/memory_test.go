package engine

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// TestMemory: what is kept is found again by the next; of what another boot of the machine
// left, only what operators said.
func TestMemory(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	m := newMemory(state)
	if loss, err := m.load(true); err != nil || loss != "" || !m.loaded {
		t.Fatalf("of nothing: %q, %v", loss, err)
	}
	owned := map[ipvs.ServiceKey]bool{tableKey(1): true, ipvs.MarkKey(7, true): true}
	m.setOwned(owned)
	rs, said := netip.AddrPortFrom(tableDest(1).Address, 80), director.Override{Mode: director.OverrideDrain, By: "ann"}
	m.setOverride("web", rs, said)
	m.Timeouts = &ipvs.Timeouts{TCP: 900}
	if m.keep(); m.unsaved != nil {
		t.Fatal(m.unsaved)
	}
	next := newMemory(state)
	if _, err := next.load(true); err != nil || !cmp.Equal(next.record, m.record, cmpopts.EquateComparable(ownedService{})) || !maps.Equal(next.owns(), owned) {
		t.Errorf("found again %+v, %v", next.record, err)
	}
	data, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path, []byte(strings.Replace(string(data), bootID(), "another boot", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := next.load(true); err != nil || len(next.owns()) != 0 || next.Timeouts != nil || next.override("web", rs) != said {
		t.Errorf("of another boot %+v, %v", next.record, err)
	}
}

// TestMemoryThatIsDamaged: a plan leaves the file alone, and says so; who repairs keeps it
// beside.
func TestMemoryThatIsDamaged(t *testing.T) {
	m := newMemory(t.TempDir())
	if err := os.WriteFile(m.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var bad damaged
	if _, err := m.load(false); !errors.As(err, &bad) || m.loaded {
		t.Errorf("read for a plan: %v", err)
	}
	loss, err := m.load(true)
	if err != nil || !m.loaded || !strings.Contains(loss, m.path+".damaged") {
		t.Errorf("repaired: %q, %v", loss, err)
	}
	if data, err := os.ReadFile(m.path + ".damaged"); err != nil || string(data) != "{" {
		t.Errorf("beside it %q, %v", data, err)
	}
}

// TestMemoryThatIsNoFile: what somebody put in the place of the file does not keep a start
// waiting for its writer; it is set aside like what is damaged.
func TestMemoryThatIsNoFile(t *testing.T) {
	m := newMemory(t.TempDir())
	if err := unix.Mkfifo(m.path, 0o600); err != nil {
		t.Fatal(err)
	}
	var bad damaged
	if _, err := m.load(false); !errors.As(err, &bad) {
		t.Errorf("read for a plan: %v", err)
	}
	if loss, err := m.load(true); err != nil || !m.loaded || !strings.Contains(loss, "a named pipe") {
		t.Errorf("repaired: %q, %v", loss, err)
	}
	if m.keep(); m.unsaved != nil {
		t.Error(m.unsaved)
	}
}

// TestMemoryWithoutRoom: what could not be written is tried again.
func TestMemoryWithoutRoom(t *testing.T) {
	room := filepath.Join(t.TempDir(), "room")
	if err := os.WriteFile(room, nil, 0o600); err != nil { // where the folder is to be
		t.Fatal(err)
	}
	m := newMemory(room)
	if m.keep(); m.unsaved == nil || m.kept() == nil {
		t.Error("written into nothing")
	}
	if err := os.Remove(room); err != nil {
		t.Fatal(err)
	}
	if err := m.kept(); err != nil || m.unsaved != nil {
		t.Errorf("there is room by now: %v", err)
	}
}
