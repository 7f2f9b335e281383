package engine

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director/announce"
)

// up starts a world whose prefixes are announced, at 10 s.
func up(t *testing.T) *world {
	t.Helper()
	w := run(t)
	if err := w.Apply(t.Context(), config()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	if got := strings.Join(w.story(), "\n"); strings.Count(got, "announce ") != 2 {
		t.Fatalf("not announced after up_delay:\n%s", got)
	}
	return w
}

// The whole life of two prefixes, with the kernel's part in order.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		if err := w.Apply(t.Context(), config()); err != nil {
			t.Fatal(err)
		}
		w.expect("0s configure 1", "0s hold [192.0.2.10/32 2001:db8::10/128]")
		time.Sleep(10 * time.Second)
		w.expect(
			"10s event 192.0.2.10/32 withdrawn to announced: all is well", "10s announce 192.0.2.10/32 [65000:100] med 0",
			"10s event 2001:db8::10/128 withdrawn to announced: all is well", "10s announce 2001:db8::10/128 [65000:100] med 0")
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expect(
			"10s event 192.0.2.10/32 announced to draining: usher ends",
			"10s announce 192.0.2.10/32 [65000:100 65535:0] med 4294967294",
			"10s event 2001:db8::10/128 announced to draining: usher ends",
			"10s announce 2001:db8::10/128 [65000:100 65535:0] med 4294967294",
			"15s event 192.0.2.10/32 draining to withdrawn: usher ends",
			"15s withdraw 192.0.2.10/32",
			"15s event 2001:db8::10/128 draining to withdrawn: usher ends",
			"15s withdraw 2001:db8::10/128",
			"18s hold []")
		w.end()
	})
}

// What fails is withdrawn at once, whatever it is, with its reason; and comes back after up_delay.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		fail, mend func(*world)
		reason     announce.Reason
		text       string
	}{
		"quorum": {
			func(w *world) { w.set(func() { w.pools["web"] = announce.Pool{Table: true, Probed: true} }) },
			func(w *world) {
				w.set(func() { w.pools["web"] = announce.Pool{Table: true, Probed: true, Serves: true} })
			},
			announce.ReasonQuorum, "web",
		},
		"table": {
			func(w *world) { w.set(func() { w.pools["web"] = announce.Pool{Probed: true, Serves: true} }) },
			func(w *world) {
				w.set(func() { w.pools["web"] = announce.Pool{Table: true, Probed: true, Serves: true} })
			},
			announce.ReasonTable, "web",
		},
		"interface": {
			func(w *world) { w.set(func() { w.down = []string{"eth1"} }) },
			func(w *world) { w.set(func() { w.down = nil }) },
			announce.ReasonFault, "eth1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := up(t)
				defer w.end()
				test.fail(w)
				if got := strings.Join(w.story(), "\n"); strings.Count(got, "10s withdraw ") != 2 {
					t.Fatalf("not withdrawn at once:\n%s", got)
				}
				p := w.Status()[0].Prefixes[0]
				if p.Reason != test.reason || !strings.Contains(p.Text, test.text) {
					t.Errorf("reason %s, %q; want %s about %s", p.Reason, p.Text, test.reason, test.text)
				}
				if !slices.ContainsFunc(w.Warnings(), func(x announce.Warning) bool { return x.Kind == "announcement" && x.Subject == "web" }) {
					t.Errorf("no warning: %+v", w.Warnings())
				}
				time.Sleep(10 * time.Second)
				test.mend(w)
				w.story()
				time.Sleep(10*time.Second - time.Millisecond)
				if got := strings.Join(w.story(), "\n"); strings.Contains(got, "announce ") {
					t.Errorf("announced before up_delay was over:\n%s", got)
				}
				time.Sleep(time.Millisecond)
				if got := strings.Join(w.story(), "\n"); strings.Count(got, "announce ") != 2 {
					t.Errorf("not announced again:\n%s", got)
				}
			})
		})
	}
}

// What somebody plans is foretold, and taken back without a gap.
func TestPlanned(t *testing.T) {
	for name, set := range map[string]func(w *world, on bool){
		"maintenance": func(w *world, on bool) { w.SetMaintenance(on) },
		"operator": func(w *world, on bool) {
			if on {
				w.SetWithdrawn([]string{"web"})
			} else {
				w.SetWithdrawn(nil)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := up(t)
				defer w.end()
				set(w, true)
				if got := strings.Join(w.story(), "\n"); strings.Count(got, "65535:0") != 2 || strings.Contains(got, "withdraw 1") {
					t.Errorf("not drained:\n%s", got)
				}
				time.Sleep(time.Second)
				set(w, false)
				if got := strings.Join(w.story(), "\n"); strings.Count(got, "11s announce ") != 2 || strings.Contains(got, "65535:0") {
					t.Errorf("not taken back:\n%s", got)
				}
				set(w, true)
				time.Sleep(5 * time.Second)
				if got := strings.Join(w.story(), "\n"); strings.Count(got, "16s withdraw ") != 2 {
					t.Errorf("not withdrawn after drain_timeout:\n%s", got)
				}
			})
		})
	}
}

// An instance that is not active keeps back what goes with it.
func TestInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.end()
		c := config()
		c.Announcements[0].Instance = "edge"
		if err := w.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if p := w.Status()[0].Prefixes[0]; p.Reason != announce.ReasonInstance || p.Phase != announce.Down {
			t.Errorf("%+v, want it down for its instance", p)
		}
		w.SetActive("edge", true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if p := w.Status()[0].Prefixes[0]; p.Phase != announce.Announced {
			t.Errorf("%+v, want it announced", p)
		}
	})
}

// What a reload removes is withdrawn in good order before Retire returns; what stays is not
// touched, and another path is told without a withdrawal.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		if err := w.Retire(t.Context(), func(_ string, p netip.Prefix) bool { return p == six }); err != nil {
			t.Fatal(err)
		}
		w.expect(
			"10s event 2001:db8::10/128 announced to draining: the configuration no longer has it",
			"10s announce 2001:db8::10/128 [65000:100 65535:0] med 4294967294",
			"15s event 2001:db8::10/128 draining to withdrawn: the configuration no longer has it",
			"15s withdraw 2001:db8::10/128",
			"18s hold [192.0.2.10/32]")
		c := config()
		c.Announcements[0].Prefixes = []netip.Prefix{four}
		c.Announcements[0].MED = 50
		if err := w.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		w.expect("18s configure 1", "18s announce 192.0.2.10/32 [65000:100] med 50")
		if all := w.Status(); len(all) != 1 || len(all[0].Prefixes) != 1 {
			t.Errorf("status %+v, want one prefix", all)
		}
	})
}

// A speaker that ends takes its sessions along. It is started again after a pause, and told
// everything anew; what was announced waits for up_delay again.
func TestSpeakerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		w.crash <- errRefused
		if got := strings.Join(w.story(), "\n"); strings.Count(got, "announced to withdrawn: the BGP speaker does not run") != 2 {
			t.Errorf("not told:\n%s", got)
		}
		if !slices.ContainsFunc(w.Warnings(), func(x announce.Warning) bool { return x.Kind == "bgp_speaker" && strings.Contains(x.Text, "refused") }) {
			t.Errorf("no warning: %+v", w.Warnings())
		}
		time.Sleep(11 * time.Second)
		got := strings.Join(w.story(), "\n")
		if !strings.Contains(got, "11s configure 1") || strings.Count(got, "21s announce ") != 2 {
			t.Errorf("not started again, or not as after a start:\n%s", got)
		}
	})
}

// Who cannot be told of the end of a prefix has it still: its address and its table stay
// until he can.
func TestWithdrawFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		w.set(func() { w.refuse["withdraw"] = errRefused })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Stop(ctx); err == nil {
			t.Error("Stop is over though routers still have the prefixes")
		}
		if got := strings.Join(w.story(), "\n"); strings.Contains(got, "hold []") || strings.Count(got, "event error ") != 2 {
			t.Errorf("addresses gone, or the error not told once for each:\n%s", got)
		}
		w.set(func() { delete(w.refuse, "withdraw") })
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(w.story(), "\n"); !strings.Contains(got, "hold []") {
			t.Errorf("addresses stay:\n%s", got)
		}
	})
}

// A tracked interface that cannot be looked at is as it was before.
func TestUnknownInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		w.set(func() { w.refuse["down"] = errRefused })
		time.Sleep(time.Minute)
		if got := strings.Join(w.story(), "\n"); strings.Contains(got, "withdraw") || !strings.Contains(got, "event error ") {
			t.Errorf("withdrawn for what is not known, or not told:\n%s", got)
		}
	})
}

// Sessions come and go without a word to the machines, and with one to people.
func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		w.SessionChanged(announce.Session{Peer: peer, State: announce.Established})
		w.SessionChanged(announce.Session{Peer: peer, State: announce.Idle, Reason: "BFD: the neighbour is gone"})
		w.SessionChanged(announce.Session{Peer: peer, State: announce.Connect})
		w.SessionChanged(announce.Session{Peer: netip.MustParseAddr("192.0.2.9"), State: announce.Established})
		w.expect("10s event bgp_session the session is established", "10s event bgp_session BFD: the neighbour is gone")
		w.set(func() {
			w.sessions = []announce.Session{{Peer: peer, State: announce.Active, Since: time.Now(), Reason: "the password may differ"}}
		})
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if !slices.ContainsFunc(w.Warnings(), func(x announce.Warning) bool { return x.Kind == "bgp_session" && strings.Contains(x.Text, "password") }) {
			t.Errorf("no warning: %+v", w.Warnings())
		}
		if p := w.Status()[0].Prefixes[0]; p.Phase != announce.Announced {
			t.Errorf("%+v, want it announced to whoever comes", p)
		}
	})
}

// After a restart that routers wait for, they hear nothing before they hear all of it; and the
// addresses are there from the beginning, for what they send meanwhile.
func TestGracefulRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.end()
		c := config()
		c.Local.GracefulRestart = 2 * time.Minute
		w.set(func() { w.pools["web"] = announce.Pool{Table: true} })
		if err := w.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		w.expect("0s configure 0", "0s event 192.0.2.10/32 withdrawn to withdrawn: virtual servers lack their quorum: web",
			"0s event 2001:db8::10/128 withdrawn to withdrawn: virtual servers lack their quorum: web",
			"0s hold [192.0.2.10/32 2001:db8::10/128]")
		time.Sleep(time.Second)
		w.set(func() { w.pools["web"] = announce.Pool{Table: true, Probed: true, Serves: true} })
		time.Sleep(10 * time.Second)
		w.expect(
			"11s event 192.0.2.10/32 withdrawn to announced: all is well", "11s announce 192.0.2.10/32 [65000:100] med 0",
			"11s event 2001:db8::10/128 withdrawn to announced: all is well", "11s announce 2001:db8::10/128 [65000:100] med 0", "11s configure 1")
	})
}

// With another number this director is another speaker: what is announced is told anew.
func TestAnotherSpeaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		c := config()
		c.Local.ASN = 65002
		if err := w.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		w.expect("10s configure 1", "10s announce 192.0.2.10/32 [65000:100] med 0", "10s announce 2001:db8::10/128 [65000:100] med 0")
	})
}

// A virtual server that changes has all virtual servers asked for at once, and the kernel for
// nothing: many change at once. This machine is looked at when it has changed, and each second.
func TestAsksLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := up(t)
		defer w.end()
		c := config()
		other := c.Announcements[0]
		other.Name, other.Pools = "mail", []string{"mail", "web"}
		c.Announcements[0].Prefixes, other.Prefixes = []netip.Prefix{four}, []netip.Prefix{six}
		c.Announcements = append(c.Announcements, other)
		if err := w.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		all := map[string]int{"pools": 1, "hold": 1, "keep": 1, "down": 1}
		for _, step := range []struct {
			what string
			do   func()
			want map[string]int
		}{
			{"the configuration has changed", func() {}, nil}, // whatever that takes
			{"a virtual server has changed", w.Kick, map[string]int{"pools": 1}},
			{"this machine has changed", w.changed, all},
			{"after 0.6 s", func() { time.Sleep(600 * time.Millisecond); w.Kick() }, map[string]int{"pools": 1}},
			{"after 0.4 s more", func() { time.Sleep(400 * time.Millisecond) }, all},
		} {
			step.do()
			if got := w.asked(); step.want != nil && !maps.Equal(got, step.want) {
				t.Errorf("%s: asked for %v, want %v", step.what, got, step.want)
			}
		}
	})
}
