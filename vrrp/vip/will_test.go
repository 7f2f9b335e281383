package vip_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// TestWill: what an active instance is about to hold is told before it is there, what
// others put there is not, and nothing of one that has let go.
func TestWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		address := func(s string) vrrp.Address { return vrrp.Address{Prefix: netip.MustParsePrefix(s)} }
		kernel := &viptest.Kernel{}
		kernel.AddLink("eth0")
		foreign := vip.Address{Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.2/32")}
		if err := kernel.AddForeign(foreign); err != nil {
			t.Fatal(err)
		}
		var told [][]vip.Object
		m := vip.New(vip.Options{Kernel: kernel, Will: func(_ string, all []vip.Object) {
			if len(told) == 0 && kernel.Has(netip.MustParseAddr("192.0.2.1")) {
				t.Error("the address was there before anybody was told of it")
			}
			told = append(told, slices.Clone(all))
		}})
		c := vrrp.Config{Name: "web", Interface: "eth0", VRID: 1, Accept: true, Addresses: []vrrp.Address{address("192.0.2.1/32"), address("192.0.2.2/32")}}
		if err := m.Configure(c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		if len(told) > 0 {
			t.Fatalf("a backup was told: %v", told)
		}
		m.Set("web", true)
		synctest.Wait()
		own := vip.Address{Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}
		if n := len(told); n == 0 || !slices.Equal(told[n-1], []vip.Object{own}) {
			t.Errorf("told %v, want %v alone in the end", told, own)
		}
		m.Set("web", false)
		synctest.Wait()
		if len(told[len(told)-1]) > 0 {
			t.Errorf("when it has let go: %v", told)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
