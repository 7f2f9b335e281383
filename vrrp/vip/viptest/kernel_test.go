package viptest_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// inMemory runs a body with the double, in virtual time.
func inMemory(t *testing.T, name string, body func(*testing.T, viptest.World)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			heard := make(chan netip.Addr, 1000)
			k := &viptest.Kernel{Announced: func(a vip.Announcement) { heard <- a.Address }}
			k.AddLink("u0")
			body(t, viptest.World{
				Kernel: k, Link: "u0", Heard: heard,
				Foreign: func(t *testing.T, a vip.Address) {
					if err := k.AddForeign(a); err != nil {
						t.Fatal(err)
					}
				},
				RemoveLink: func(*testing.T) { k.RemoveLink("u0") },
				AddLink:    func(*testing.T) { k.AddLink("u0") },
				Rename:     func(_ *testing.T, to string) { k.Rename("u0", to) },
				Spoil:      func(_ *testing.T, o vip.Object) { k.Spoil(o) },
				Unmark:     func(_ *testing.T, a vip.Address) { k.Unmark(a) },
			})
		})
	})
}

func TestKernel(t *testing.T)  { viptest.Contract(t, inMemory) }
func TestManager(t *testing.T) { viptest.Manager(t, inMemory) }
