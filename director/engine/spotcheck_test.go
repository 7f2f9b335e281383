package engine_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// Whatever the director keeps in the kernel and somebody else changes is as it was within
// a second, once, with an event that names it; also while something else is refused.
func TestWhatSomebodyChangesIsRepairedWithinASecond(t *testing.T) {
	daemon := ipvs.SyncDaemon{Interface: "eth0", ID: 51}
	backup := daemon
	backup.Role = ipvs.SyncBackup
	sysctl := func(name string) func(*ipvstest.Kernel, *sysctls) error {
		return func(_ *ipvstest.Kernel, s *sysctls) error { return s.Set(name, "0") }
	}
	for _, c := range []struct {
		what   string
		change func(*ipvstest.Kernel, *sysctls) error
	}{
		{"net.ipv4.ip_forward was set to 0", sysctl("net.ipv4.ip_forward")},
		{"net.ipv4.vs.conntrack was set to 0", sysctl("net.ipv4.vs.conntrack")},
		{"net.ipv4.vs.expire_nodest_conn was set to 0", sysctl("net.ipv4.vs.expire_nodest_conn")},
		{"net.ipv4.vs.conn_reuse_mode was set to 0", sysctl("net.ipv4.vs.conn_reuse_mode")},
		{"tcp_timeout was set to 5s", func(k *ipvstest.Kernel, _ *sysctls) error {
			return k.SetTimeouts(ipvs.Timeouts{TCP: 5, TCPFin: 120, UDP: 300})
		}},
		{"the backup sync daemon on eth0, id 51 was stopped", func(k *ipvstest.Kernel, _ *sysctls) error { return k.StopSync(backup) }},
		{"was edited", func(k *ipvstest.Kernel, _ *sysctls) error {
			return errors.Join(k.Apply([]ipvs.Op{{Kind: ipvs.EditDestination, Key: ipvstest.Key(0), Dest: ipvstest.Dest(0), Destination: ipvs.Destination{Weight: 9}}})...)
		}},
		{"was removed", func(k *ipvstest.Kernel, _ *sysctls) error { k.Flush(); return nil }},
	} {
		for _, refused := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				yes, two := true, 2
				k, s := ipvstest.New(), newSysctls()
				vs := pool(1)
				vs.Real[0].Forward, vs.Real[0].Checked = director.FullNAT, false
				servers := []director.VirtualServer{vs}
				if refused {
					bad := pool(1)
					bad.Name, bad.Keys = "bad", []ipvs.ServiceKey{ipvstest.Key(1)}
					servers = append(servers, bad)
					k.Fail = func(op ipvs.Op) error {
						if op.Key == ipvstest.Key(1) {
							return unix.ENOMEM
						}
						return nil
					}
				}
				var told []director.Event
				o := engine.Options{Kernel: k, Sysctl: s, SNAT: &rules{}, State: t.TempDir(), Events: func(e director.Event) { told = append(told, e) }}
				settled(t, o, director.Settings{
					ManageSysctls: true, ExpireNodestConn: &yes, ConnReuseMode: &two, TCPTimeout: time.Hour,
					Sync: &director.Sync{Instance: "web", Daemon: daemon},
				}, func(d *engine.Engine, err error) {
					if (err != nil) != refused {
						t.Error(err)
					}
					state := func() any {
						synctest.Wait()
						daemons, _ := k.SyncDaemons()
						timeouts, _ := k.Timeouts()
						values := map[string]string{}
						for name := range s.values {
							values[name], _ = s.Get(name)
						}
						return []any{k.Table()[ipvstest.Key(0)], daemons, timeouts, values}
					}
					// At a moment when the next try of what is refused is far.
					time.Sleep(2*engine.DefaultResync + 300*time.Millisecond)
					before := state()
					told = nil
					if err := c.change(k, s); err != nil {
						t.Error(err)
					}
					if reflect.DeepEqual(before, state()) {
						t.Errorf("%s: it is not changed: %+v", c.what, before)
					}
					time.Sleep(time.Second)
					if now := state(); !reflect.DeepEqual(before, now) {
						t.Errorf("%s: a second after it is\n%+v\nwant\n%+v", c.what, now, before)
					}
					time.Sleep(10 * time.Second)
					synctest.Wait()
					drift := 0
					for _, e := range told {
						if e.Kind == director.EventDrift {
							drift++
							if !strings.Contains(e.Reason, c.what) {
								t.Errorf("%q, want %q", e.Reason, c.what)
							}
						}
					}
					if drift != 1 {
						t.Errorf("%s: %d events of drift: %v", c.what, drift, told)
					}
				}, servers...)
			})
		}
	}
}

// A setting that an administrator keeps himself is told once, not fought for.
func TestUnmanagedSettingIsNotLookedForEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSysctls()
		var told []director.Event
		o := engine.Options{Kernel: ipvstest.New(), Sysctl: s, Events: func(e director.Event) { told = append(told, e) }}
		settled(t, o, director.Settings{}, func(d *engine.Engine, err error) {
			if err == nil {
				t.Error("no word of ip_forward")
			}
			passes := d.Stats().Passes
			time.Sleep(time.Minute)
			if n := d.Stats().Passes - passes; n > 15 { // the pauses double up to 8 s
				t.Errorf("%d comparisons of everything in a minute", n)
			}
			if err := s.Set("net.ipv4.ip_forward", "1"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if list := d.Settings(); len(list) != 1 || list[0].Value != "1" {
				t.Errorf("a second after it was set by hand: %+v", list)
			}
			time.Sleep(8 * time.Second)
			synctest.Wait()
			if last := d.Stats().LastError; last != "" {
				t.Errorf("nine seconds after it was set by hand: %s", last)
			}
		}, pool(1))
		if len(told) != 2 || told[0].Kind != director.EventError || told[1].Kind != director.EventErrorEnd {
			t.Errorf("told %v", told)
		}
	})
}

// deaf is a packet filter that tells of nothing.
type deaf struct{ rules }

func (*deaf) Watch(context.Context, func()) error { return errors.New("out of order") }

// Rules of which the packet filter tells nothing are compared every second.
func TestFullNATRulesOfADeafFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &deaf{}
		vs := pool(1)
		vs.Real[0].Forward = director.FullNAT
		settled(t, engine.Options{Kernel: ipvstest.New(), SNAT: r, State: t.TempDir()}, director.Settings{}, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			time.Sleep(10*time.Second + 300*time.Millisecond)
			if err := r.Remove(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if r.len() != 1 {
				t.Error("the rules are not back")
			}
		}, vs)
	})
}

// Somebody else's synchronisation daemon is named, and gives way to ours when it ends.
func TestForeignSyncDaemonIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		foreign := ipvs.SyncDaemon{Role: ipvs.SyncBackup, Interface: "eth7", ID: 7}
		if err := k.StartSync(foreign); err != nil {
			t.Error(err)
		}
		s := director.Settings{Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}}
		o := engine.Options{Kernel: k, State: t.TempDir()}
		changes, err := engine.New(o).PlanSettings(nil, s)
		if text := (director.PlanReport{Changes: changes}).String(); err != nil || !strings.Contains(text, "a backup sync daemon on eth7, id 7 runs that usher did not start") {
			t.Errorf("planned %q, %v", text, err)
		}
		settled(t, o, s, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			w := d.Warnings()
			if len(w) != 1 || w[0].Kind != "sync_daemon" || !strings.Contains(w[0].Text, "on eth7, id 7") || !strings.Contains(w[0].Text, "on eth0, id 51") {
				t.Errorf("warnings %+v", w)
			}
			time.Sleep(time.Minute)
			if again := d.Warnings(); len(again) != 1 || again[0] != w[0] {
				t.Errorf("a minute later %+v", again)
			}
			if err := k.StopSync(foreign); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if w := d.Warnings(); len(w) != 0 {
				t.Errorf("warnings after it ended: %+v", w)
			}
			if all, _ := k.SyncDaemons(); len(all) != 1 || all[0].Interface != "eth0" {
				t.Errorf("daemons %+v", all)
			}
			// Somebody puts another in its place.
			if err := errors.Join(k.StopSync(foreign), k.StartSync(foreign)); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if w := d.Warnings(); len(w) != 1 || !strings.Contains(w[0].Text, "on eth7, id 7") {
				t.Errorf("warnings of one in the place of ours: %+v", w)
			}
		}, pool(1))
	})
}
