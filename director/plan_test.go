package director_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// tables draws tables over few keys, so that two of them overlap a lot.
func tables() *rapid.Generator[ipvs.Table] {
	return rapid.Custom(func(t *rapid.T) ipvs.Table {
		out := ipvs.Table{}
		for s := range 4 {
			if !rapid.Bool().Draw(t, fmt.Sprintf("service %d", s)) {
				continue
			}
			key := ipvstest.Key(s)
			e := ipvs.Entry{
				Service:      ipvs.Service{Scheduler: rapid.SampledFrom([]string{"rr", "wrr", "sh"}).Draw(t, "scheduler"), Netmask: key.Bits()},
				Destinations: map[ipvs.DestinationKey]ipvs.Destination{},
			}
			for d := range 5 {
				if rapid.Bool().Draw(t, fmt.Sprintf("destination %d", d)) {
					e.Destinations[ipvstest.Dest(d)] = ipvs.Destination{
						Weight:  rapid.SampledFrom([]uint32{0, 0, 1, 2, 100}).Draw(t, "weight"),
						Forward: rapid.SampledFrom([]ipvs.Forward{ipvs.NAT, ipvs.DR, ipvs.Tun}).Draw(t, "forward"),
					}
				}
			}
			out[key] = e
		}
		return out
	})
}

// checkSafe fails when a pool that have and want both keep serving is empty now.
func checkSafe(t *rapid.T, want, have, now ipvs.Table, after string) {
	for key := range want {
		if ipvstest.Serving(want, key) && ipvstest.Serving(have, key) && !ipvstest.Serving(now, key) {
			t.Fatalf("%s: %s has no server\nhave %v\nwant %v", after, key, have[key], want[key])
		}
	}
}

func equal(a, b ipvs.Table) bool {
	return maps.EqualFunc(a, b, func(x, y ipvs.Entry) bool {
		return x.Service == y.Service && maps.Equal(x.Destinations, y.Destinations)
	})
}

func TestPlanOfSameIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := tables().Draw(t, "table")
		if ops := director.Plan(x, x); len(ops) != 0 {
			t.Fatalf("%v", ops)
		}
	})
}

func TestPlanIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, have := tables().Draw(t, "want"), tables().Draw(t, "have")
		if a, b := director.Plan(want, have), director.Plan(want, have); !slices.Equal(a, b) {
			t.Fatalf("%v\n%v", a, b)
		}
	})
}

// Every prefix of a plan is safe, and from every prefix another plan arrives.
func TestPlanIsSafeAtEveryPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, have := tables().Draw(t, "want"), tables().Draw(t, "have")
		ops := director.Plan(want, have)
		k := kernelWith(t, have)
		cut := rapid.IntRange(0, len(ops)).Draw(t, "cut")
		for i, op := range ops {
			if i == cut {
				now := k.Table()
				rest := director.Plan(want, now)
				if errs := k.Apply(rest); errs != nil {
					t.Fatalf("second plan after %d operations: %v", i, errs)
				}
				break
			}
			if errs := k.Apply([]ipvs.Op{op}); errs != nil {
				t.Fatalf("%s: %v", op, errs[0])
			}
			checkSafe(t, want, have, k.Table(), op.String())
		}
		if now := k.Table(); !equal(now, want) {
			t.Fatalf("ended with %v, want %v", now, want)
		}
	})
}

// What is there on both sides is never deleted or made again.
func TestPlanEditsInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, have := tables().Draw(t, "want"), tables().Draw(t, "have")
		for _, op := range director.Plan(want, have) {
			_, w := want[op.Key]
			_, h := have[op.Key]
			if w && h && (op.Kind == ipvs.AddService || op.Kind == ipvs.DelService) {
				t.Fatalf("%s although it is there before and after", op)
			}
			_, w = want[op.Key].Destinations[op.Dest]
			_, h = have[op.Key].Destinations[op.Dest]
			if w && h && (op.Kind == ipvs.AddDestination || op.Kind == ipvs.DelDestination) {
				t.Fatalf("%s although it is there before and after", op)
			}
		}
	})
}

// With any operation refused, what Allowed lets through never empties a pool.
func TestAllowedIsSafeWithErrors(t *testing.T) {
	errnos := []error{unix.EEXIST, unix.ENOENT, unix.EBUSY, unix.ENOMEM, unix.ETIMEDOUT}
	rapid.Check(t, func(t *rapid.T) {
		want, have := tables().Draw(t, "want"), tables().Draw(t, "have")
		k := kernelWith(t, have)
		k.Fail = func(ipvs.Op) error {
			if rapid.IntRange(0, 2).Draw(t, "refuse") == 0 {
				return rapid.SampledFrom(errnos).Draw(t, "errno")
			}
			return nil
		}
		for _, op := range director.Plan(want, have) {
			if director.Allowed(op, want, k.Table()) {
				k.Apply([]ipvs.Op{op})
				checkSafe(t, want, have, k.Table(), op.String())
			}
		}
		k.Fail = nil
		k.Apply(director.Plan(want, k.Table()))
		if now := k.Table(); !equal(now, want) {
			t.Fatalf("ended with %v, want %v", now, want)
		}
	})
}

func kernelWith(t interface{ Fatalf(string, ...any) }, have ipvs.Table) *ipvstest.Kernel {
	k := ipvstest.New()
	if errs := k.Apply(director.Plan(have, ipvs.Table{})); errs != nil {
		t.Fatalf("prepare the kernel: %v", errs)
	}
	return k
}
