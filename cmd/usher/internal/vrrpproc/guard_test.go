package vrrpproc

import (
	"bufio"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/vip"
)

// watched is a guard between a child and a parent that a test plays.
type watched struct {
	child, parent net.Conn
	did           []string
	killed        bool
	idle          atomic.Int64 // of the child's loop, in nanoseconds
	sent          []engine.Outgoing
	stamps        map[uint8]vrrp.Sequence
	ended         chan bool
}

// Last implements engine.Stamps.
func (w *watched) Last(vrid uint8) vrrp.Sequence { return w.stamps[vrid] }

// Keep implements engine.Stamps.
func (w *watched) Keep(vrid uint8, s vrrp.Sequence) { w.stamps[vrid] = s }

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{ended: make(chan bool, 1), stamps: map[uint8]vrrp.Sequence{}}
	child, childEnd := net.Pipe()
	parent, parentEnd := net.Pipe()
	w.child, w.parent = child, parent
	go func() {
		w.ended <- RunGuard(GuardOptions{
			Log: slog.New(slog.DiscardHandler), Child: childEnd, Parent: parentEnd, Stamps: w,
			Send: func(out engine.Outgoing) error {
				w.sent = append(w.sent, out)
				w.did = append(w.did, "resign from "+out.Source.String())
				return nil
			},
			Remove: func(o vip.Object) error {
				w.did = append(w.did, "remove "+o.String())
				return nil
			},
			Idle: func() time.Duration { return time.Duration(w.idle.Load()) },
			Watch: func(int) func() {
				return func() {
					w.killed = true
					_ = w.child.Close()
				}
			},
		})
	}()
	again, err := readTestament(bufio.NewReader(child))
	if err != nil || !again.Again {
		t.Fatalf("the guard begins with %+v, %v", again, err)
	}
	return w
}

// says gives the guard a word of the child.
func (w *watched) says(t *testing.T, all ...testament) {
	t.Helper()
	for _, x := range all {
		if err := writeTestament(w.child, x); err != nil {
			t.Fatal(err)
		}
	}
}

// bye is the parent's word that all is done.
func (w *watched) bye(t *testing.T) {
	t.Helper()
	if _, err := w.parent.Write([]byte{goodbye}); err != nil {
		t.Fatal(err)
	}
}

var lastWill = will{
	Instance: "web", Resign: []engine.Outgoing{{Source: netip.MustParseAddr("192.0.2.11")}},
	Addresses:   []vip.Address{{Link: "eth0", Prefix: netip.PrefixFrom(virtualAddress, 32)}},
	LocalRoutes: []vip.LocalRoute{{Link: "eth0", Address: virtualAddress}}, Down: 40 * time.Millisecond,
}

// TestGuard: what the guard does, by who ends and how.
func TestGuard(t *testing.T) {
	done := []string{"resign from 192.0.2.11", "remove 192.0.2.1/32 dev eth0", "remove local 192.0.2.1 dev eth0"}
	for _, c := range []struct {
		name      string
		revoked   bool
		end       func(*testing.T, *watched)
		did       []string
		killed    bool
		abandoned bool
	}{
		{name: "child dies", end: func(t *testing.T, w *watched) {
			_ = w.child.Close()
			synctest.Wait()
			if !slices.Equal(w.did, done) {
				t.Errorf("before the parent says anything it did %q", w.did)
			}
			w.bye(t)
		}, did: done},
		{name: "both die, child first", end: func(_ *testing.T, w *watched) {
			_ = w.child.Close()
			_ = w.parent.Close()
		}, did: done, abandoned: true},
		{name: "parent dies, child is stopped", end: func(_ *testing.T, w *watched) { _ = w.parent.Close() }, did: append(slices.Clone(done), done[1:]...), killed: true, abandoned: true},
		{name: "parent dies, child resigns", end: func(t *testing.T, w *watched) {
			_ = w.parent.Close()
			<-time.After(10 * time.Millisecond)
			w.says(t, testament{Will: &will{Instance: "web"}})
			_ = w.child.Close()
		}},
		{name: "orderly stop", revoked: true, end: func(t *testing.T, w *watched) {
			_ = w.child.Close()
			w.bye(t)
		}},
		{name: "child dies, and the parent is quicker", end: func(t *testing.T, w *watched) {
			go func() { _ = w.child.Close() }()
			w.bye(t)
		}, did: done},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t)
				w.says(t, testament{PID: 7}, testament{Will: &lastWill})
				if c.revoked {
					w.says(t, testament{Will: &will{Instance: "web"}})
				}
				synctest.Wait()
				start := time.Now()
				c.end(t, w)
				abandoned := <-w.ended
				if took := time.Since(start); took > lastWill.Down/2 {
					t.Errorf("it took %v", took)
				}
				_ = w.child.Close()
				_ = w.parent.Close()
				synctest.Wait()
				if !slices.Equal(w.did, c.did) || w.killed != c.killed || abandoned != c.abandoned {
					t.Errorf("it did %q, killed %t, abandoned %t; want %q, %t, %t", w.did, w.killed, abandoned, c.did, c.killed, c.abandoned)
				}
			})
		})
	}
}

// TestGuardFences: a child that stands still for as long as peers wait has its addresses
// removed, once for each time; it is let live, and its will holds.
func TestGuardFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.says(t, testament{Will: &lastWill})
		pass(time.Second)
		if len(w.did) > 0 {
			t.Fatalf("a child at work, and it did %q", w.did)
		}
		for n := 2; n <= 4; n += 2 {
			w.idle.Store(int64(lastWill.Down))
			pass(time.Second)
			if len(w.did) != n || w.killed {
				t.Errorf("it did %q, killed %t", w.did, w.killed)
			}
			w.idle.Store(0)
			pass(time.Second)
		}
		_ = w.child.Close()
		w.bye(t)
		<-w.ended
		_ = w.parent.Close()
		if len(w.did) != 7 {
			t.Errorf("in the end it did %q", w.did)
		}
	})
}

// TestGuardAfterGuard: one that takes the place of another finds the rest of a line, and
// learns all that holds.
func TestGuardAfterGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		if _, err := w.child.Write([]byte(`"192.0.2.1/32"}]}}` + "\n")); err != nil {
			t.Fatal(err)
		}
		w.says(t, testament{Will: &lastWill})
		_ = w.child.Close()
		w.bye(t)
		<-w.ended
		_ = w.parent.Close()
		if len(w.did) != 3 {
			t.Errorf("it did %q", w.did)
		}
	})
}

// TestWillsAreToldAgain: whoever asks hears of every will that holds, and of the
// process that they are of.
func TestWillsAreToldAgain(t *testing.T) {
	w := newWills(7)
	w.resignation("web", lastWill.Resign)
	w.objects("web", []vip.Object{lastWill.LocalRoutes[0]})
	w.resignation("mail", lastWill.Resign)
	w.resignation("mail", nil)
	first := w.take()
	if len(first) != 3 || first[0].PID != 7 || !first[1].Will.empty() || first[2].Will.empty() || len(first[2].Will.LocalRoutes) != 1 {
		t.Errorf("told %+v", first)
	}
	if more := w.take(); len(more) > 0 {
		t.Errorf("told %+v when nothing changed", more)
	}
	w.again()
	if all := w.take(); len(all) != 2 || all[0].PID != 7 || all[1].Will.Instance != "web" {
		t.Errorf("told %+v again", all)
	}
}

// The pages into which the loader wrote addresses are read-only, and of a file, by the
// time the guard gives back memory: read again, they would lead nowhere.
func TestGuardKeepsWhatTheLoaderWrote(t *testing.T) {
	const smaps = `00400000-01555000 r-xp 00000000 fe:00 1234                              /usr/bin/usher
Rss:               10000 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
7f07b7c50000-7f07b7c54000 r--p 001d0000 fe:00 77                        /usr/lib/libc.so.6
Rss:                  16 kB
Anonymous:            16 kB
Swap:                  0 kB
VmFlags: rd mr mw me ac
7f07b7c60000-7f07b7c64000 r--p 001d0000 fe:00 77                        /usr/lib/libc.so.6
Anonymous:             0 kB
Swap:                 16 kB
VmFlags: rd mr mw me ac
7f07b7c70000-7f07b7c74000 rw-p 001d4000 fe:00 77                        /usr/lib/libc.so.6
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd wr mr mw me ac
7f07b7d00000-7f07b7d10000 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
`
	if got, want := asInFile(smaps), []span{{0x400000, 0x1555000}}; !slices.Equal(got, want) {
		t.Errorf("parts %x are given back; want %x", got, want)
	}
}
