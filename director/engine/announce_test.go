package engine_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"usher/director"
	"usher/director/announce"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// What announcements are told of a pool: in the table, probed to the last server, serving;
// and of one that is not there that it is in no table.
func TestAnnounceable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		ask := func(when string, want announce.Pool) {
			t.Helper()
			want.Name = "web"
			if got := w.d.Announceable([]string{"web", "other"}); !slices.Equal(got, []announce.Pool{want, {Name: "other"}}) {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		ask("before it is configured", announce.Pool{})
		w.apply(pool(2))
		ask("before the first probe", announce.Pool{Table: true})
		w.health("web", 0, healthcheck.Up)
		ask("one is up, the other not yet probed", announce.Pool{Table: true, Serves: true})
		w.health("web", 1, healthcheck.Down)
		ask("all are probed", announce.Pool{Table: true, Probed: true, Serves: true})
		w.health("web", 0, healthcheck.Down)
		ask("all are down", announce.Pool{Table: true, Probed: true})
		w.apply()
		ask("it is taken out", announce.Pool{})
	})
}

// Pools that pick the same servers have the same fingerprint, and others another one:
// another order, another weight, a server that is down.
func TestFingerprint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		print := func() uint64 { return w.d.Status()[0].Fingerprint }
		w.apply(pool(2))
		w.up(0, 1)
		first := print()
		if first == 0 || first>>48 != 0 {
			t.Errorf("the fingerprint is %x, want one of 48 bits", first)
		}
		w.health("web", 1, healthcheck.Down)
		if print() == first {
			t.Error("the same with a server that is down")
		}
		w.up(1)
		if print() != first {
			t.Error("another one when it is back")
		}
		turned := pool(2)
		slices.Reverse(turned.Real)
		w.apply(turned)
		if print() == first {
			t.Error("the same in another order")
		}
		hashed := pool(2)
		hashed.Service.Scheduler = "mh"
		w.apply(hashed)
		if print() == first {
			t.Error("the same with another scheduler")
		}
	})
}

// Without an instance master and backup run at once, and go together. An instance that is
// named later has one of them stay.
func TestSyncOfAllDirectors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		roles := func() (all []string) {
			running, err := k.SyncDaemons()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range running {
				all = append(all, r.Role.String())
			}
			slices.Sort(all)
			return all
		}
		both := []string{ipvs.SyncBackup.String(), ipvs.SyncMaster.String()}
		slices.Sort(both)
		daemon := ipvs.SyncDaemon{Interface: "eth0", ID: 51}
		vs := pool(0)
		vs.Real = []director.RealServer{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 1, Forward: director.DR}}
		settled(t, engine.Options{Kernel: k, State: t.TempDir()}, director.Settings{Sync: &director.Sync{Daemon: daemon}}, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			if got := roles(); !slices.Equal(got, both) {
				t.Errorf("%q run, want %q", got, both)
			}
			d.SetActive("web", true) // is none of its business
			if err := d.Configure(t.Context(), director.Settings{Sync: &director.Sync{Daemon: daemon}}); err != nil {
				t.Error(err)
			}
			if got := roles(); !slices.Equal(got, both) {
				t.Errorf("%q run once more, want %q", got, both)
			}
			for _, role := range []ipvs.SyncRole{ipvs.SyncMaster, ipvs.SyncBackup} { // by somebody else
				one := daemon
				one.Role = role
				if err := k.StopSync(one); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Configure(t.Context(), director.Settings{Sync: &director.Sync{Daemon: daemon}}); err != nil {
				t.Error(err)
			}
			if got := roles(); !slices.Equal(got, both) {
				t.Errorf("%q run after they were stopped, want %q", got, both)
			}
		}, vs)
		if got := roles(); len(got) > 0 {
			t.Errorf("%q run after the end", got)
		}
	})
}
