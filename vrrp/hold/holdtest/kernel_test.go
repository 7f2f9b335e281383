package holdtest_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"usher/vrrp/hold"
	"usher/vrrp/hold/holdtest"
)

// inMemory runs a body with the double, in virtual time.
func inMemory(t *testing.T, name string, body func(*testing.T, holdtest.World)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			heard := make(chan netip.Addr, 1000)
			k := &holdtest.Kernel{Announced: func(a hold.Announcement) { heard <- a.Address }}
			k.AddLink("u0")
			body(t, holdtest.World{
				Kernel: k, Link: "u0", Heard: heard,
				Foreign: func(t *testing.T, a hold.Address) {
					if err := k.AddForeign(a); err != nil {
						t.Fatal(err)
					}
				},
				RemoveLink: func(*testing.T) { k.RemoveLink("u0") },
				AddLink:    func(*testing.T) { k.AddLink("u0") },
				Rename:     func(_ *testing.T, to string) { k.Rename("u0", to) },
				Spoil:      func(_ *testing.T, o hold.Object) { k.Spoil(o) },
				Unmark:     func(_ *testing.T, a hold.Address) { k.Unmark(a) },
			})
		})
	})
}

func TestKernel(t *testing.T)  { holdtest.Contract(t, inMemory) }
func TestManager(t *testing.T) { holdtest.Manager(t, inMemory) }
