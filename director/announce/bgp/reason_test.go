package bgp

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/director/announce"
)

// TestReasons: what GoBGP says of a session that does not come up, in words of what to do.
func TestReasons(t *testing.T) {
	peer := announce.Peer{Address: netip.MustParseAddr("192.0.2.254"), ASN: 65000, Source: netip.MustParseAddr("192.0.2.7")}
	locked := peer
	locked.Password = "se\x1bcret"
	for _, c := range []struct {
		peer announce.Peer
		line string
		args []any
		want string
	}{
		{peer, lineConnect, []any{"Error", "dial tcp 0.0.0.0:0->192.0.2.254:179: connect: connection refused"}, "refuses connections"},
		{locked, lineConnect, []any{"Error", "dial tcp 0.0.0.0:0->192.0.2.254:179: i/o timeout"}, "its TCP MD5 password is another one"},
		{peer, lineConnect, []any{"Error", "dial tcp 0.0.0.0:0->192.0.2.254:179: i/o timeout"}, "it wants a TCP MD5 password"},
		{peer, lineConnect, []any{"Error", "dial tcp 0.0.0.0:0->192.0.2.254:179: connect: no route to host"}, "no way to the router: no route to host"},
		{peer, lineConnect, []any{"Error", "dial tcp 192.0.2.7:0: bind: cannot assign requested address"}, "192.0.2.7 is not this machine's"},
		{peer, lineConnect, []any{"Error", "strange"}, "no connection to the router: strange"},
		{peer, lineOutgoing, []any{"reason", "notification-received code 2(open message error) subcode 2(bad peer as)"}, "the router closed the session: code 2"},
		{peer, lineSent, []any{"Code", 2, "Subcode", 2}, "another autonomous system number"},
		{peer, lineSent, []any{"Code", 1, "Subcode", 1}, "is no BGP"},
		{peer, lineSent, []any{"Code", 6, "Subcode", 7}, "notification 6/7"},
		{peer, "something else", nil, "not connected yet"},
	} {
		s := New(Options{})
		ses := &session{there: true}
		ses.begin(c.peer)
		s.sessions[c.peer.Address] = ses
		s.logger().With(slog.String("Topic", "Peer"), slog.String("Key", c.peer.Address.String())).Debug(c.line, c.args...)
		s.update(func() {})
		if !strings.Contains(ses.Reason, c.want) || strings.Contains(ses.Reason, "cret") {
			t.Errorf("%s %v: %q, want %q", c.line, c.args, ses.Reason, c.want)
		}
	}
}

// TestLog: what a router can have GoBGP log is cleaned, bounded, and counted where it is
// left out; debug lines stay out.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	s := New(Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	log := s.logger().With(slog.String("Key", "192.0.2.254"))
	log.Debug("a message")
	log.Info("a message")
	for range maxLines + 5 {
		log.Warn("said\x1b[2J", slog.String("Data", "\x1b]0;"), slog.Any("Any", struct{ Secret string }{"hidden"}))
	}
	text := out.String()
	if lines := strings.Count(text, "said"); lines != maxLines {
		t.Errorf("%d lines, want %d", lines, maxLines)
	}
	for _, bad := range []string{"\x1b", "a message", "hidden"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the log", bad)
		}
	}
	b := &budget{}
	now := time.Now()
	for range maxLines + 3 {
		b.spend(now)
	}
	if ok, left := b.spend(now.Add(time.Minute)); !ok || left != 3 {
		t.Errorf("after a minute: %t, %d lines were left out, want 3", ok, left)
	}
}

// TestRefusalStays: a router that does not like the OPEN message closes further connections
// without a word: what it said first is the reason, until it may have become another.
func TestRefusalStays(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := &session{}
	says := func(when, want string) {
		t.Helper()
		s.settle()
		if s.Reason != want {
			t.Errorf("%s: %q, want %q", when, s.Reason, want)
		}
	}
	s.explain("the connection broke", false, now)
	says("at first", "the connection broke")
	s.explain("another number", true, now)
	s.explain("the connection broke", false, now.Add(refusalStays-time.Second))
	says("the next attempts", "another number")
	s.explain("the connection broke", false, now.Add(refusalStays))
	says("later", "the connection broke")
	s.explain("another number", true, now)
	s.enter(announce.Established)
	s.enter(announce.Idle)
	s.explain("the connection broke", false, now)
	says("after a session", "the connection broke")
}

// TestTooMuch: a router that sent too much is left alone for a while, each time.
func TestTooMuch(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := &session{}
	for range 2 {
		for _, c := range []struct {
			after   time.Duration
			readmit bool
		}{{0, false}, {refresh, false}, {barredFor - time.Second, false}, {barredFor, true}} {
			if got := s.read(reading{overfull: true, received: maxReceived + 1}, now.Add(c.after)); got != c.readmit {
				t.Errorf("tried again after %s: %t", c.after, got)
			}
			if s.ended = true; s.renews() != c.readmit {
				t.Errorf("begun anew after %s: %t", c.after, s.renews())
			}
		}
		now = now.Add(time.Hour)
		s.enter(announce.Established)
		if s.read(reading{}, now) || s.Refused != 0 {
			t.Errorf("one that is well: %+v", s)
		}
		s.enter(announce.Idle)
	}
	if s.settle(); s.Reason != "not connected yet" {
		t.Errorf("the reason stays: %q", s.Reason)
	}
}
