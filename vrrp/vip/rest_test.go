package vip_test

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// counting counts what is asked of the kernel.
type counting struct {
	*viptest.Kernel
	looks, objects, renewals atomic.Int64
}

func (k *counting) Look(all []vip.Object) ([]vip.Sight, error) {
	k.looks.Add(1)
	k.objects.Add(int64(len(all)))
	return k.Kernel.Look(all)
}

func (k *counting) Renew(a vip.Address) error {
	k.renewals.Add(1)
	return k.Kernel.Renew(a)
}

// TestRestIsLinear: what is asked of the kernel while nothing happens grows with the
// number of instances and no faster: one reading a second for all of them, and for each
// address a renewal in a third of its lease. With a reading for each instance or each
// renewal 120 of them took half a processor.
func TestRestIsLinear(t *testing.T) {
	const seconds = 60
	for _, n := range []int{20, 60, 120} {
		synctest.Test(t, func(t *testing.T) {
			k := &counting{Kernel: &viptest.Kernel{}}
			k.AddLink("eth0")
			m := vip.New(vip.Options{Kernel: k})
			objects := 0
			for i := range n {
				c := web(vrrp.Announce{})
				c.Name, c.VRID, c.VirtualMAC, c.Accept = string(rune('A'+i)), uint8(i+1), true, true
				c.Addresses = []vrrp.Address{{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 32)}}
				if err := m.Configure(c); err != nil {
					t.Fatal(err)
				}
				m.Set(c.Name, true)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- m.Run(ctx) }()
			pass(time.Minute) // what is new is looked at once more
			objects = len(k.Objects())
			k.looks.Store(0)
			k.objects.Store(0)
			k.renewals.Store(0)
			pass(seconds * time.Second)
			if objects < 2*n {
				t.Fatalf("%d instances hold %d objects: the test shows nothing", n, objects)
			}
			// Some more than one look a second, and one object a look, are no other order.
			if looks := k.looks.Load(); looks < seconds/2 || looks > 2*seconds {
				t.Errorf("%d instances at rest: %d readings in %d s", n, looks, seconds)
			}
			if seen := k.objects.Load(); seen > int64(4*seconds*objects) {
				t.Errorf("%d instances at rest: %d of %d objects are compared in %d s", n, seen, objects, seconds)
			}
			if renewals := k.renewals.Load(); renewals < int64(n*seconds) || renewals > int64(2*n*seconds) {
				t.Errorf("%d instances at rest: %d renewals in %d s", n, renewals, seconds)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
