package engine

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

func tableKey(n byte) ipvs.ServiceKey {
	return ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 80))
}

func tableDest(n byte) ipvs.DestinationKey {
	return ipvs.DestinationKey{Address: netip.AddrFrom4([4]byte{10, 0, 0, n}), Port: 80}
}

// tableOf is the table of a service with servers of the weights given.
func tableOf(key ipvs.ServiceKey, weights ...uint32) ipvs.Table {
	e := ipvs.Entry{Service: ipvs.Service{Scheduler: "rr", Netmask: 32}, Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
	for n, w := range weights {
		e.Destinations[tableDest(byte(n))] = ipvs.Destination{Weight: w}
	}
	return ipvs.Table{key: e}
}

// TestTableTakesNote: what the kernel did is believed, what it refused is not, and of what
// it gave no answer to nothing is known. Readers keep what they have.
func TestTableTakesNote(t *testing.T) {
	a, b := tableKey(1), tableKey(2)
	table := newTable()
	table.owned = map[ipvs.ServiceKey]bool{a: true, b: true}
	table.take(tableOf(a, 1, 1))
	shown := table.show()
	table.did([]director.Op{
		{Kind: ipvs.EditDestination, Key: a, Dest: tableDest(0), Destination: ipvs.Destination{Weight: 5}},
		{Kind: ipvs.DelDestination, Key: a, Dest: tableDest(1)},
		{Kind: ipvs.AddService, Key: b, Service: ipvs.Service{Scheduler: "wrr", Netmask: 32}},
		{Kind: ipvs.AddDestination, Key: b, Dest: tableDest(7), Destination: ipvs.Destination{Weight: 2}},
	}, []error{nil, unix.EBUSY, nil, unix.ETIMEDOUT})
	if d := table.entries[a].Destinations; d[tableDest(0)].Weight != 5 || len(d) != 2 {
		t.Errorf("%v", d)
	}
	if e, there := table.entries[b]; !there || e.Service.Scheduler != "wrr" || len(e.Destinations) != 0 {
		t.Errorf("%v", e)
	}
	if table.uncertain[a] || !table.uncertain[b] {
		t.Errorf("uncertain %v", table.uncertain)
	}
	if !same(shown[a], tableOf(a, 1, 1)[a]) || len(shown) != 1 {
		t.Errorf("under a reader it became %v", shown)
	}
	have := tableOf(a, 9, 9)
	if drift := table.drift(have, func(ipvs.ServiceKey) string { return "web" }, time.Time{}); len(drift) != 2 || !table.disturbed(have) {
		t.Errorf("drift %v", drift) // of b nobody knows
	}
	table.take(have)
	if table.disturbed(have) || len(table.uncertain) != 0 {
		t.Error("what was read is not believed")
	}
}

// TestTableClaims: what is configured is owned, and what is in the kernel of before.
func TestTableClaims(t *testing.T) {
	kept, gone, foreign, fresh := tableKey(1), tableKey(2), tableKey(3), tableKey(4)
	table := newTable()
	table.owned = map[ipvs.ServiceKey]bool{kept: true, gone: true}
	have := tableOf(kept, 1)
	maps.Copy(have, tableOf(foreign, 1))
	owned, taken := table.claim(map[ipvs.ServiceKey]bool{foreign: true, fresh: true}, have)
	if !maps.Equal(owned, map[ipvs.ServiceKey]bool{kept: true, foreign: true, fresh: true}) || !slices.Equal(taken, []ipvs.ServiceKey{foreign}) {
		t.Errorf("owned %v, taken over %v", owned, taken)
	}
}
