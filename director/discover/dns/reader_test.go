package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"usher/director/discover"
)

// server is a DNS server on loopback that answers as a test says.
type server struct {
	t      *testing.T
	addr   netip.AddrPort
	mu     sync.Mutex
	asked  []string // as in "udp web.example. A"
	answer func(w dns.ResponseWriter, q *dns.Msg)
}

func newServer(t *testing.T, answer func(w dns.ResponseWriter, q *dns.Msg)) *server {
	t.Helper()
	s := &server{t: t, answer: answer}
	udp, tcp := listen(t)
	s.addr = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, one := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		started := make(chan struct{})
		one.NotifyStartedFunc = func() { close(started) }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := one.ActivateAndServe(); err != nil {
				t.Error(err)
			}
		}()
		<-started
		t.Cleanup(func() {
			_ = one.Shutdown()
			<-ended
		})
	}
	return s
}

// listen opens UDP and TCP on one port.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err := net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		_ = udp.Close()
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

func (s *server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprintf("%s %s %s", w.RemoteAddr().Network(), q.Question[0].Name, dns.TypeToString[q.Question[0].Qtype]))
	s.mu.Unlock()
	s.answer(w, q)
}

func (s *server) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// zone answers from records in zone file form; a name without any is NXDOMAIN.
func zone(t *testing.T, records ...string) func(w dns.ResponseWriter, q *dns.Msg) {
	var all []dns.RR
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rr)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.Authoritative = true
		known := false
		for _, rr := range all {
			if rr.Header().Name != q.Question[0].Name {
				continue
			}
			known = true
			if h := rr.Header(); h.Rrtype == q.Question[0].Qtype || h.Rrtype == dns.TypeCNAME {
				m.Answer = append(m.Answer, rr)
			}
		}
		if !known {
			m.Rcode = dns.RcodeNameError
			m.Ns = append(m.Ns, &dns.SOA{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.example.", Mbox: "a.example.", Minttl: 20})
		}
		_ = w.WriteMsg(m)
	}
}

// read asks servers once, for two seconds at most.
func read(t *testing.T, kind, name string, servers ...*server) discover.Answer {
	t.Helper()
	s := discover.Source{Kind: discover.KindDNS, DNS: &discover.DNS{Name: name, Type: kind}}
	for _, one := range servers {
		s.DNS.Servers = append(s.DNS.Servers, one.addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return New(s, nil).Read(ctx)
}

// text is an answer in one line.
func text(a discover.Answer) string {
	if a.Failure != nil {
		return string(a.Failure.Reason)
	}
	var all []string
	for _, e := range a.Entries {
		one := e.Address.String()
		if e.Weight != discover.NoWeight || e.Priority != 0 {
			one += fmt.Sprintf(" %d/%d", e.Priority, e.Weight)
		}
		all = append(all, one)
	}
	slices.Sort(all)
	for _, i := range a.Ignored {
		all = append(all, "("+i.Entry+": "+i.Why+")")
	}
	return strings.Join(all, ", ")
}

func TestZone(t *testing.T) {
	s := newServer(t, zone(t,
		"web.example. 30 IN A 10.0.0.1", "web.example. 20 IN A 10.0.0.2", "web.example. 30 IN AAAA 2001:db8::1",
		"alias.example. 10 IN CNAME second.example.", "second.example. 30 IN CNAME web.example.",
		"loop.example. 10 IN CNAME pool.example.", "pool.example. 10 IN CNAME loop.example.",
		"mail.example. 30 IN MX 10 web.example.",
		"_web._tcp.example. 40 IN SRV 10 5 8080 web.example.", "_web._tcp.example. 40 IN SRV 20 0 8081 b.example.", "b.example. 5 IN A 10.0.0.9",
		"_even._tcp.example. 40 IN SRV 0 0 80 web.example.", "_none._tcp.example. 40 IN SRV 0 0 0 .",
		"_gone._tcp.example. 40 IN SRV 1 1 80 b.example.", "_gone._tcp.example. 40 IN SRV 1 1 80 nobody.example.", "_gone._tcp.example. 40 IN SRV 1 1 80 mail.example.",
	))
	for _, c := range []struct {
		kind, name, want string
		ttl              time.Duration
	}{
		{"A", "web.example", "10.0.0.1:0, 10.0.0.2:0", 20 * time.Second},
		{"A", "WEB.example.", "10.0.0.1:0, 10.0.0.2:0", 20 * time.Second},
		{"AAAA", "web.example", "[2001:db8::1]:0", 30 * time.Second},
		{"A", "alias.example", "10.0.0.1:0, 10.0.0.2:0", 10 * time.Second},
		{"A", "loop.example", "malformed", 10 * time.Second},
		{"A", "mail.example", "", 0},
		{"A", "nobody.example", "nxdomain", 20 * time.Second},
		{"SRV", "_web._tcp.example", "10.0.0.1:8080 10/5, 10.0.0.2:8080 10/5, 10.0.0.9:8081 20/1", 5 * time.Second},
		{"SRV", "_even._tcp.example", "10.0.0.1:80, 10.0.0.2:80", 20 * time.Second},
		{"SRV", "_none._tcp.example", "", 40 * time.Second},
		{"SRV", "_gone._tcp.example", "10.0.0.9:80 1/1, (nobody.example: the target of the SRV record does not exist), (mail.example: the target of the SRV record has no A record)", 5 * time.Second},
	} {
		if a := read(t, c.kind, c.name, s); text(a) != c.want || a.TTL != c.ttl {
			t.Errorf("%s %s: %q with TTL %v, expected %q with %v (%v)", c.name, c.kind, text(a), a.TTL, c.want, c.ttl, a.Failure)
		}
	}
}

// Addresses beside SRV records spare their questions; those that nobody asked for do not count.
func TestAdditionalSection(t *testing.T) {
	s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		for _, text := range []string{"_web._tcp.example. 40 IN SRV 1 1 80 a.example.", "_other._tcp.example. 40 IN SRV 1 1 80 evil.example."} {
			rr, _ := dns.NewRR(text)
			m.Answer = append(m.Answer, rr)
		}
		for _, text := range []string{"a.example. 30 IN A 10.0.0.1", "a.example. 30 IN AAAA 2001:db8::1", "evil.example. 30 IN A 10.6.6.6"} {
			rr, _ := dns.NewRR(text)
			m.Extra = append(m.Extra, rr)
		}
		_ = w.WriteMsg(m)
	})
	if a := read(t, "SRV", "_web._tcp.example", s); text(a) != "10.0.0.1:80 1/1" {
		t.Errorf("%q", text(a))
	}
	if asked := s.questions(); !slices.Equal(asked, []string{"udp _web._tcp.example. SRV"}) {
		t.Errorf("asked %q", asked)
	}
}

// What is no answer to the question is passed over, and the true one counts.
func TestPoison(t *testing.T) {
	poison := func(change func(*dns.Msg), true bool) func(w dns.ResponseWriter, q *dns.Msg) {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			for _, text := range []string{"web.example. 30 IN A 10.6.6.6", "web.example. 30 IN A 10.0.0.1"} {
				m := new(dns.Msg)
				m.SetReply(q)
				rr, _ := dns.NewRR(text)
				m.Answer = append(m.Answer, rr)
				if strings.Contains(text, "6.6.6") {
					change(m)
				} else if !true {
					return
				}
				_ = w.WriteMsg(m)
			}
		}
	}
	for name, change := range map[string]func(*dns.Msg){
		"number":   func(m *dns.Msg) { m.Id++ },
		"question": func(m *dns.Msg) { m.Question[0].Name = "www.example." },
		"type":     func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeTXT },
		"none":     func(m *dns.Msg) { m.Question = nil },
		"request":  func(m *dns.Msg) { m.Response = false },
	} {
		if a := read(t, "A", "web.example", newServer(t, poison(change, true))); text(a) != "10.0.0.1:0" {
			t.Errorf("another %s: %q", name, text(a))
		}
	}
	// Another sender than the server that was asked is not heard.
	other, _ := net.ListenPacket("udp", "127.0.0.1:0")
	defer other.Close()
	truth := zone(t, "web.example. 30 IN A 10.0.0.1")
	forged := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		rr, _ := dns.NewRR("web.example. 30 IN A 10.6.6.6")
		m.Answer = append(m.Answer, rr)
		packet, _ := m.Pack()
		if _, err := other.WriteTo(packet, w.RemoteAddr()); err != nil {
			t.Error(err)
		}
		truth(w, q)
	})
	if a := read(t, "A", "web.example", forged); text(a) != "10.0.0.1:0" {
		t.Errorf("another sender: %q", text(a))
	}
	// Records of other names beside the true ones are nobody's.
	s := newServer(t, poison(func(m *dns.Msg) {
		m.Answer[0].Header().Name = "www.example."
		rr, _ := dns.NewRR("web.example. 30 IN A 10.0.0.1")
		m.Answer = append(m.Answer, rr)
	}, false))
	if a := read(t, "A", "web.example", s); text(a) != "10.0.0.1:0" {
		t.Errorf("a record of another name: %q", text(a))
	}
}

// An answer that is cut off is asked for again by TCP.
func TestTruncation(t *testing.T) {
	s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		for i := range 1000 {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 30}, A: net.IPv4(10, 0, byte(i>>8), byte(i))})
		}
		if w.RemoteAddr().Network() == "udp" {
			m.Truncate(int(q.IsEdns0().UDPSize()))
		}
		_ = w.WriteMsg(m)
	})
	if a := read(t, "A", "web.example", s); len(a.Entries) != 1000 {
		t.Errorf("%d servers: %v", len(a.Entries), a.Failure)
	}
	if asked := s.questions(); !slices.Equal(asked, []string{"udp web.example. A", "tcp web.example. A"}) {
		t.Errorf("asked %q", asked)
	}
}

// The first server that says something of the name counts, and is asked first from then on.
func TestSeveralServers(t *testing.T) {
	code := func(rcode int) func(w dns.ResponseWriter, q *dns.Msg) {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg)
			m.SetRcode(q, rcode)
			_ = w.WriteMsg(m)
		}
	}
	broken, refusing := newServer(t, code(dns.RcodeServerFailure)), newServer(t, code(dns.RcodeRefused))
	good := newServer(t, zone(t, "web.example. 30 IN A 10.0.0.1"))
	s := discover.Source{Kind: discover.KindDNS, DNS: &discover.DNS{Name: "web.example", Type: "A", Servers: []netip.AddrPort{broken.addr, refusing.addr, good.addr}}}
	r := New(s, nil)
	for range 2 {
		if a := r.Read(t.Context()); text(a) != "10.0.0.1:0" {
			t.Errorf("%q", text(a))
		}
	}
	if n, m := len(broken.questions()), len(good.questions()); n != 1 || m != 2 {
		t.Errorf("the broken one was asked %d times, the good one %d times", n, m)
	}
	a := read(t, "A", "web.example", broken, refusing)
	if a.Failure == nil || a.Failure.Reason != discover.ReasonServFail || !strings.Contains(a.Failure.Text, "it answers SERVFAIL") || !strings.Contains(a.Failure.Text, "it answers REFUSED") {
		t.Errorf("%+v", a.Failure)
	}
}

// A server that knows no EDNS is asked without.
func TestWithoutEDNS(t *testing.T) {
	answer := zone(t, "web.example. 30 IN A 10.0.0.1")
	s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() == nil {
			answer(w, q)
			return
		}
		m := new(dns.Msg)
		m.SetRcodeFormatError(q)
		_ = w.WriteMsg(m)
	})
	if a := read(t, "A", "web.example", s); text(a) != "10.0.0.1:0" {
		t.Errorf("%q %v", text(a), a.Failure)
	}
}

// One that only refers to others does not resolve: that is no empty answer.
func TestReferral(t *testing.T) {
	s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		ns, _ := dns.NewRR("example. 30 IN NS ns.example.")
		m.Ns = append(m.Ns, ns)
		_ = w.WriteMsg(m)
	})
	if a := read(t, "A", "web.example", s); a.Failure == nil || a.Failure.Reason != discover.ReasonServFail {
		t.Errorf("%+v", a)
	}
}

// A port on which nobody listens, and a server that says nothing.
func TestNoAnswer(t *testing.T) {
	udp, tcp := listen(t)
	defer udp.Close()
	_ = tcp.Close()
	silent := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	s := discover.Source{Kind: discover.KindDNS, DNS: &discover.DNS{Name: "web.example", Type: "A", Servers: []netip.AddrPort{silent}}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if a := New(s, nil).Read(ctx); a.Failure == nil || a.Failure.Reason != discover.ReasonTimeout {
		t.Errorf("silence: %+v", a)
	}
	closed, other := listen(t)
	addr := closed.LocalAddr().(*net.UDPAddr).AddrPort()
	_, _ = closed.Close(), other.Close()
	s.DNS.Servers = []netip.AddrPort{addr}
	if a := New(s, nil).Read(t.Context()); a.Failure == nil || a.Failure.Reason != discover.ReasonUnreachable {
		t.Errorf("refused: %+v", a)
	}
}

func TestResolvConf(t *testing.T) {
	if all := fromResolv("testdata/resolv.conf"); len(all) != 2 || all[0].String() != "192.0.2.53:53" || all[1].String() != "[2001:db8::53]:53" {
		t.Errorf("%v", all)
	}
	r := New(discover.Source{Kind: discover.KindDNS, DNS: &discover.DNS{Name: "web.example", Type: "A"}}, nil)
	r.resolv = "testdata/nothing"
	if a := r.Read(t.Context()); a.Failure == nil || !strings.Contains(a.Failure.Text, "give servers") {
		t.Errorf("%+v", a)
	}
}
