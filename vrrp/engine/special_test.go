package engine

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// TestStall: a process that slept listens before it claims (design section 6).
func TestStall(t *testing.T) {
	t.Run("active, and another has taken over", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.run(5 * time.Second)
		b.said = nil
		b.now = start.Add(60 * time.Second)
		b.hear("192.0.2.7", advertOf(web(), false, 90))
		b.never("sends")
		b.is("web", vrrp.Backup)
	})
	t.Run("active, nothing in the queue", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.run(5 * time.Second)
		b.said = nil
		b.now = start.Add(60 * time.Second)
		b.e.Expire(b.now)
		b.is("web", vrrp.Backup)
		b.wants("late: web: the process was stalled", "listening after a stall")
		b.run(64 * time.Second)
		b.is("web", vrrp.Active)
	})
	t.Run("backup", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.now = start.Add(60 * time.Second)
		b.e.Expire(b.now)
		b.is("web", vrrp.Backup)
		b.hear("192.0.2.7", advertOf(web(), false, 150))
		b.run(63 * time.Second)
		b.is("web", vrrp.Backup)
	})
	t.Run("a little late is no stall", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.e.Expire(start.Add(3610 * time.Millisecond))
		b.is("web", vrrp.Active)
	})
	t.Run("a backup that was away listens as long again, once", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		at, _ := b.e.Deadline()
		const away = 40 * time.Millisecond
		b.now = at.Add(away)
		b.e.Expire(b.now)
		b.is("web", vrrp.Backup)
		again, _ := b.e.Deadline()
		if again != b.now.Add(away) {
			t.Errorf("listens for %v", again.Sub(b.now))
		}
		// The active router stood still on the same hardware, and speaks now.
		b.hear("192.0.2.7", advertOf(web(), false, 150))
		b.run(b.now.Sub(start) + 3*time.Second)
		b.is("web", vrrp.Backup)
		at, _ = b.e.Deadline()
		b.now = at.Add(away)
		b.e.Expire(b.now)
		b.is("web", vrrp.Backup)
		// Late again: nobody has spoken meanwhile, and a slow machine has to claim once.
		b.now = b.now.Add(2 * away)
		b.e.Expire(b.now)
		b.is("web", vrrp.Active)
	})
	t.Run("a resignation needs no second look", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.hear("192.0.2.7", advertOf(web(), false, 0))
		at, _ := b.e.Deadline()
		b.now = at.Add(40 * time.Millisecond)
		b.e.Expire(b.now)
		b.is("web", vrrp.Active)
	})
}

// TestWitness: while no witness answers, silence means a cut-off self; a resignation
// that was heard means that the network is there.
func TestWitness(t *testing.T) {
	cfg := web()
	cfg.Witness = &vrrp.Witness{Ping: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Interval: time.Second, Timeout: time.Second}
	b := newBench(t)
	b.e.Apply(b.now, desired(cfg))
	b.run(30 * time.Second)
	b.is("web", vrrp.Backup)
	b.wants("witness: web: takeover withheld")
	b.e.Witness(b.now, "web", true)
	b.wants("witness_end: web: the witness answers again")
	b.run(34 * time.Second)
	b.is("web", vrrp.Active)

	// Whatever else settles the question ends it, too, once.
	for _, settle := range []struct {
		by func()
		of string
	}{
		{func() { b.hear("192.0.2.7", advertOf(cfg, false, 200)) }, "192.0.2.7 is heard again"},
		{func() { b.link("eth0", false, "192.0.2.5") }, "this router is fault"},
	} {
		b = newBench(t)
		b.e.Apply(b.now, desired(cfg))
		b.run(30 * time.Second)
		b.wants("witness: web: takeover withheld")
		settle.by()
		b.wants("witness_end: web: " + settle.of)
		b.e.Witness(b.now, "web", true)
		b.never("witness_end")
	}

	b = newBench(t)
	b.e.Apply(b.now, desired(cfg))
	b.hear("192.0.2.7", advertOf(cfg, false, 0))
	b.run(time.Second)
	b.is("web", vrrp.Active)
}

// TestSendFails: an error is an event, once a minute, and changes nothing.
func TestSendFails(t *testing.T) {
	b := newBench(t)
	b.bad = errors.New("network is down")
	b.e.Apply(b.now, desired(web()))
	b.run(30 * time.Second)
	b.is("web", vrrp.Active)
	b.wants("send_failed: web: advertisement not sent: network is down")
	b.run(50 * time.Second)
	b.never("send_failed")
	b.run(80 * time.Second)
	b.wants("send_failed")
}

// TestChecksumForm: auto sends the pseudo-header form until a valid advert in the
// other form is heard (design section 6).
func TestChecksumForm(t *testing.T) {
	form := func(b *bench) packet.Form {
		out := b.sent[len(b.sent)-1]
		_, form, reason := packet.Parse(out.Payload, out.Source, out.Destination)
		if reason != vrrp.DiscardNone {
			t.Fatalf("sent a message that is discarded for %s", reason)
		}
		return form
	}
	cisco := func(b *bench) {
		msg := Incoming{Index: 2, Source: netip.MustParseAddr("192.0.2.7"), Destination: netip.MustParseAddr("224.0.0.18"), TTL: 255}
		msg.Payload = packet.Append(nil, advertOf(web(), false, 90), msg.Source, msg.Destination, packet.FormMessage)
		b.e.Receive(b.now, msg)
	}
	for _, c := range []struct {
		config        vrrp.Checksum
		before, after packet.Form
	}{
		{vrrp.ChecksumAuto, packet.FormPseudoHeader, packet.FormMessage},
		{vrrp.ChecksumRFC9568, packet.FormMessage, packet.FormMessage},
		{vrrp.ChecksumPseudoHeader, packet.FormPseudoHeader, packet.FormPseudoHeader},
	} {
		b := newBench(t)
		cfg := web()
		cfg.Checksum = c.config
		b.e.Apply(b.now, desired(cfg))
		b.run(4 * time.Second)
		if got := form(b); got != c.before {
			t.Errorf("checksum %d: first form %d", c.config, got)
		}
		cisco(b)
		b.run(6 * time.Second)
		if got := form(b); got != c.after {
			t.Errorf("checksum %d: form %d after the other was heard", c.config, got)
		}
	}
}
