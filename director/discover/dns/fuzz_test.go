package dns

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"usher/director/discover"
	"usher/healthcheck"
)

// FuzzAnswer: whatever a server sends as its answer, reading it ends, in servers of which
// each has an address that was sent, or in a failure that can be shown; not in both.
func FuzzAnswer(f *testing.F) {
	for _, records := range [][]string{
		{"web.example. 30 IN A 10.0.0.1", "web.example. 30 IN CNAME web.example.", "web.example. 1 IN SRV 1 1 80 a.example."},
		{"web.example. 30 IN CNAME b.example.", "b.example. 30 IN A 10.0.0.1", "b.example. 1 IN SRV 1 0 80 b.example."},
		{"web.example. 1 IN SRV 1 1 80 .", "web.example. 1 IN SRV 2 1 80 web.example."},
		{},
	} {
		m := new(dns.Msg).SetQuestion("web.example.", dns.TypeSRV)
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		soa, _ := dns.NewRR("example. 1 IN SOA ns.example. a.example. 1 1 1 1 1")
		m.Ns = append(m.Ns, soa)
		seed, _ := m.Pack()
		f.Add(seed, true)
		f.Add(seed, false)
	}
	var answer atomic.Pointer[dns.Msg]
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := answer.Load().Copy()
		m.Id, m.Response, m.Opcode, m.Question = q.Id, true, dns.OpcodeQuery, q.Question
		_ = w.WriteMsg(m)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	f.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	f.Fuzz(func(t *testing.T, packet []byte, obeyed bool) {
		m := new(dns.Msg)
		if m.Unpack(packet) != nil {
			return
		}
		sent := map[netip.Addr]bool{}
		for _, rr := range append(m.Answer, m.Extra...) {
			if a, ok := address(rr); ok {
				sent[a] = true
			}
		}
		if packed, err := m.Pack(); err != nil || len(packed) > payload || new(dns.Msg).Unpack(packed) != nil {
			return // no server can send that, or it is no message: the true answer is waited for
		}
		answer.Store(m)
		for _, kind := range []string{"A", "AAAA", "SRV"} {
			s := discover.Source{Kind: discover.KindDNS, AllowEmpty: obeyed, DNS: &discover.DNS{Name: "web.example", Type: kind, Servers: []netip.AddrPort{at}}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			a := New(s, nil).Read(ctx)
			cancel()
			if a.Failure != nil && (len(a.Entries)+len(a.Ignored) > 0 || healthcheck.Printable(a.Failure.Text) != a.Failure.Text && len(a.Failure.Text) < healthcheck.MaxText) {
				t.Errorf("%s: %+v", kind, a)
			}
			for _, e := range a.Entries {
				if !sent[e.Address.Addr()] {
					t.Errorf("%s: nobody sent %s", kind, e.Address)
				}
			}
		}
	})
}
