package rtnl

import (
	"errors"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// TestLooksAreCheap: the audit looks each second for as long as usher runs. What it
// leaves to the collector is of the size of the kernel's answer.
func TestLooksAreCheap(t *testing.T) {
	const looks, most = 50, 16 << 10
	pair(t)
	k := open(t)
	a := vip.Address{Link: "u0", Prefix: netip.MustParsePrefix("192.0.2.9/32")}
	if err := k.Add(a); err != nil {
		t.Fatal(err)
	}
	look := func() {
		if seen, err := k.Look([]vip.Object{a}); err != nil || seen[0] != vip.InPlace {
			t.Fatalf("%v, %v", seen, err)
		}
	}
	look()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range looks {
		look()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / looks; each > most {
		t.Errorf("a look takes %d bytes, more than %d", each, most)
	}
}

// TestLister: a list that the kernel refuses leaves the socket fit for the next one.
func TestLister(t *testing.T) {
	pair(t)
	k := open(t)
	bad := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	bad.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET}})
	bad.AddData(nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(4711)))
	if _, err := k.lister.list(bad, unix.RTM_NEWROUTE); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a table that is not there: %v", err)
	}
	all, err := k.lister.readLinks()
	if once, e := readLinks(); err != nil || e != nil || len(all.byName) != len(once.byName) || all.byName["u0"] != once.byName["u0"] {
		t.Errorf("interfaces %v (%v), on a socket of its own %v (%v)", all, err, once, e)
	}
	if err := k.lister.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.lister.readLinks(); !errors.Is(err, unix.EBADF) {
		t.Errorf("after the end: %v", err)
	}
}
