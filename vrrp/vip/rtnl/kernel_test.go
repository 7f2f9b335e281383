package rtnl

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

func open(t testing.TB) *Kernel {
	t.Helper()
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// real runs a body with the kernel of this machine.
func inKernel(t *testing.T, name string, body func(*testing.T, viptest.World)) {
	t.Run(name, func(t *testing.T) {
		pair(t)
		body(t, viptest.World{
			Kernel: open(t), Link: "u0", Heard: hear(t),
			Foreign: func(t *testing.T, a vip.Address) {
				l, err := netlink.LinkByName(a.Link)
				if err != nil {
					t.Fatal(err)
				}
				ip := &net.IPNet{IP: a.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(a.Prefix.Bits(), a.Prefix.Addr().BitLen())}
				if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ip}); err != nil {
					t.Fatal(err)
				}
			},
			RemoveLink: func(t *testing.T) {
				if err := netlink.LinkDel(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}}); err != nil {
					t.Fatal(err)
				}
			},
			AddLink: func(t *testing.T) { attachLink(t) },
			Rename:  rename,
			Spoil:   spoil,
			Unmark: func(t *testing.T, a vip.Address) {
				if out, err := exec.Command("ip", "address", "change", a.Prefix.String(), "dev", a.Link).CombinedOutput(); err != nil {
					t.Fatalf("ip address change: %v: %s", err, out)
				}
			},
		})
	})
}

func TestKernel(t *testing.T)  { viptest.Contract(t, inKernel) }
func TestManager(t *testing.T) { viptest.Manager(t, inKernel) }

// BenchmarkTakeover is the way from Set(true) to the first announcement on the
// wire, as a neighbour sees it.
func BenchmarkTakeover(b *testing.B) {
	pair(b)
	heard := hear(b)
	m := vip.New(vip.Options{Kernel: open(b)})
	err := m.Configure(vrrp.Config{
		Name: "web", Interface: "u0", Lease: 2 * time.Second, Announce: vrrp.Announce{Repeat: 1},
		Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var all []time.Duration
	for b.Loop() {
		m.Soon()
		for early := time.Now().Add(300 * time.Microsecond); time.Now().Before(early); {
			continue // as the loop does before a deadline
		}
		start := time.Now()
		m.Set("web", true)
		<-heard
		all = append(all, time.Since(start))
		b.StopTimer()
		m.Set("web", false)
		for m.Held("web") {
			runtime.Gosched()
		}
		<-time.After(2 * time.Millisecond)
		b.StartTimer()
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "us/median")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "us/p99")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
