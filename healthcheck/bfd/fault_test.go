package bfd

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// TestFaultPasses: that this machine cannot hear says nothing of a neighbour; once it
// can, a neighbour that stays silent is told down as any other, then and later.
func TestFaultPasses(t *testing.T) {
	e := New(nil)
	var told []Change
	watch := func(id uint64, address string) {
		e.Watch(id, Peer{Address: netip.MustParseAddr(address), Config: Config{MinTX: time.Second, MinRX: time.Second, Passive: true}},
			func(c Change) { told = append(told, c) })
	}
	watch(1, "192.0.2.1")
	now := time.Now()
	e.hears(now, errors.New("another BFD daemon has the port"))
	e.expire(now.Add(patience + time.Second))
	if len(told) != 1 || !told[0].Fault {
		t.Fatalf("told %+v; want the fault alone", told)
	}
	now = now.Add(time.Minute)
	e.hears(now, nil)
	e.expire(now.Add(patience - time.Millisecond))
	if len(told) != 1 {
		t.Fatalf("told %+v before the neighbour had time to come up", told)
	}
	e.expire(now.Add(patience))
	if len(told) != 2 || told[1].Fault || told[1].State != Down {
		t.Fatalf("told %+v; want the neighbour down", told)
	}
	watch(2, "192.0.2.2")
	e.expire(time.Now().Add(2 * time.Minute))
	if len(told) != 3 || told[2].Fault {
		t.Errorf("told %+v; want the second neighbour down, without the fault that is over", told)
	}
}
