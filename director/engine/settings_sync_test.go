package engine_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// A connection is told to the peer as soon as it is open, where nobody has set
// otherwise.
func TestSyncSettings(t *testing.T) {
	for _, c := range []struct{ is, want string }{{"3\t50", "0 0"}, {"2\t10", "2\t10"}} {
		synctest.Test(t, func(t *testing.T) {
			const name = "net.ipv4.vs.sync_threshold"
			s := newSysctls()
			s.values[name] = c.is
			settled(t, engine.Options{Kernel: ipvstest.New(), Sysctl: s, State: t.TempDir()}, director.Settings{
				ManageSysctls: true, Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}},
			}, func(_ *engine.Engine, err error) {
				if got, _ := s.Get(name); err != nil || got != c.want {
					t.Errorf("%q became %q, %v, want %q", c.is, got, err, c.want)
				}
			}, pool(1))
			if got, _ := s.Get(name); strings.Fields(got)[0] != strings.Fields(c.is)[0] {
				t.Errorf("%q is %q after", c.is, got)
			}
		})
	}
}

// For a while the daemon of the role before runs on: a master that is stopped
// forgets the connections that it has not told yet.
// A sync daemon that the kernel does not start because of a tunnel between families,
// which may be one that is just leaving, is an error that says so.
func TestSyncBesideMixedFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		settled(t, engine.Options{Kernel: k, State: t.TempDir()}, director.Settings{}, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			vs := pool(0)
			vs.Real = []director.RealServer{{Address: netip.MustParseAddrPort("[2001:db8::1]:80"), Weight: 1, Forward: director.Tun}}
			if err := d.Apply(t.Context(), []director.VirtualServer{vs}); err != nil {
				t.Error(err)
			}
			err = d.Configure(t.Context(), director.Settings{Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}})
			if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "2001:db8::1") {
				t.Errorf("said %v, want EINVAL and the server", err)
			}
		})
	})
}

func TestSyncDaemonFollowsTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		daemon := ipvs.SyncDaemon{Interface: "eth0", ID: 51}
		roles := func(want ...ipvs.SyncRole) {
			t.Helper()
			synctest.Wait()
			var got []ipvs.SyncRole
			daemons, _ := k.SyncDaemons()
			for _, d := range daemons {
				got = append(got, d.Role)
			}
			if !slices.Equal(got, want) {
				t.Errorf("daemons %v, want %v", got, want)
			}
		}
		settled(t, engine.Options{Kernel: k, State: t.TempDir()}, director.Settings{Sync: &director.Sync{Instance: "web", Daemon: daemon}},
			func(d *engine.Engine, err error) {
				if err != nil {
					t.Error(err)
				}
				roles(ipvs.SyncBackup)
				d.SetActive("other", true)
				roles(ipvs.SyncBackup)
				d.SetActive("web", true)
				roles(ipvs.SyncBackup, ipvs.SyncMaster)
				time.Sleep(3 * time.Second)
				roles(ipvs.SyncBackup, ipvs.SyncMaster)
				time.Sleep(2 * time.Second)
				roles(ipvs.SyncMaster)
				// Somebody stops it.
				if err := k.StopSync(ipvs.SyncDaemon{Role: ipvs.SyncMaster}); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				roles(ipvs.SyncMaster)
				d.SetActive("web", false)
				roles(ipvs.SyncMaster, ipvs.SyncBackup)
				d.SetActive("web", true) // and back before the daemon was stopped
				roles(ipvs.SyncMaster, ipvs.SyncBackup)
				time.Sleep(5 * time.Second)
				roles(ipvs.SyncMaster)
				d.SetActive("web", false)
				time.Sleep(5 * time.Second)
				roles(ipvs.SyncBackup)
			}, pool(1))
		if got, _ := k.SyncDaemons(); len(got) != 0 {
			t.Errorf("left %+v", got)
		}
	})
}

// A master's last connections are told before it is stopped for good.
func TestStopFlushesTheSyncDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		var stopping time.Time
		settled(t, engine.Options{Kernel: k, State: t.TempDir()},
			director.Settings{Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}},
			func(d *engine.Engine, _ error) {
				d.SetActive("web", true)
				synctest.Wait()
				stopping = time.Now()
			}, pool(1))
		if took := time.Since(stopping); took < 3*time.Second {
			t.Errorf("stopped %v after it was master", took)
		}
		if got, _ := k.SyncDaemons(); len(got) != 0 {
			t.Errorf("left %+v", got)
		}
	})
}

// unplugged is a kernel in which the interface of the sync daemon is not there yet.
type unplugged struct {
	*ipvstest.Kernel
	there atomic.Bool
}

func (u *unplugged) StartSync(d ipvs.SyncDaemon) error {
	if !u.there.Load() {
		return unix.ENODEV
	}
	return u.Kernel.StartSync(d)
}

// TestSyncInterfaceComesLater: an interface that is not there keeps nothing else from
// running; the daemon is started once it has come.
func TestSyncInterfaceComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &unplugged{Kernel: ipvstest.New()}
		var told []string
		settled(t, engine.Options{Kernel: k, State: t.TempDir(), Events: func(e director.Event) { told = append(told, e.Reason) }}, director.Settings{
			Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth7", ID: 51}},
		}, func(_ *engine.Engine, err error) {
			if err != nil {
				t.Errorf("it does not start: %v", err)
			}
			if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "sync daemon on eth7: no such device") }) {
				t.Errorf("told %q", told)
			}
			k.there.Store(true)
			time.Sleep(time.Minute)
			if all, err := k.SyncDaemons(); err != nil || len(all) != 1 {
				t.Errorf("%v, %v", all, err)
			}
			if slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "somebody else") }) {
				t.Errorf("told %q", told)
			}
		}, pool(1))
	})
}
