package native

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"usher/director/discover"
	"usher/test/lab/labtest"
)

// A pool of unbound's records, which flap each second under load, behind somebody who
// forges, cuts off, breaks and swallows answers: the pool follows what is true, and
// otherwise stays as it is.
func TestDiscoveryByHostileDNS(t *testing.T) {
	t.Parallel()
	l := newDiscoverLab(t)
	web := func(more ...string) (all []string) {
		for _, a := range append([]string{"10.1.0.1"}, more...) {
			all = append(all, "web.example.org. 1 IN A "+a)
		}
		return all
	}
	l.zone(web("10.1.0.2")...)
	unbound := l.unbound()
	change := func(records ...string) {
		t.Helper()
		l.zone(records...)
		unbound.signal(syscall.SIGHUP)
	}
	man := newManBetween(t, local(l.name))
	s := source(discover.KindDNS, 2*time.Second)
	s.MaxServers, s.AllowEmpty, s.DNS = 20_000, true, &discover.DNS{Name: "web.example.org", Type: "A", Servers: []netip.AddrPort{man.address}}
	l.follow(netip.MustParseAddr("10.1.0.1"), s)
	l.serving("10.1.0.1 1", "10.1.0.2 1")

	ended := load(t, local(l.name))
	for i := range 4 {
		other := fmt.Sprintf("10.1.0.%d", 3+i%2)
		change(web(other)...)
		l.serving("10.1.0.1 1", other+" 1")
	}
	if n := ended(); n < 100 {
		t.Errorf("%d other questions: that is no load", n)
	}
	l.serving("10.1.0.1 1", "10.1.0.4 1")
	for _, c := range []struct {
		does   string
		reason discover.Reason
	}{{"servfail", discover.ReasonServFail}, {"silent", discover.ReasonTimeout}, {"cut off all", discover.ReasonTooLarge}} {
		man.does.Store(c.does)
		l.failing(0, c.reason)
		l.serving("10.1.0.1 1", "10.1.0.4 1")
	}
	man.does.Store("cut off") // by UDP: the whole answer comes by TCP
	change(web("10.1.0.5")...)
	l.serving("10.1.0.1 1", "10.1.0.5 1")
	man.does.Store("nothing")

	many := func(n int) (all []string) {
		for i := range n - 1 {
			all = append(all, fmt.Sprintf("10.2.%d.%d", i>>8, i&255))
		}
		return web(all...)
	}
	change(many(3500)...)
	l.await("3500 servers", func() bool { return len(l.engine.Servers("web")) == 3500 })
	change(many(10_000)...) // more than a message holds
	l.failing(0, discover.ReasonTooLarge)
	if n := len(l.engine.Servers("web")); n != 3500 {
		t.Errorf("10,000 records cannot be had, and %d servers are left", n)
	}
	change(web("10.1.0.2")...)
	l.serving("10.1.0.1 1", "10.1.0.2 1")
	change() // unbound has no SOA record to sign with
	l.failing(0, discover.ReasonNXDomain)
	l.serving("10.1.0.1 1", "10.1.0.2 1")
	l.mu.Lock()
	if l.seen[netip.MustParseAddr("10.6.6.6")] || man.forged.Load() == 0 {
		t.Errorf("of %d forged answers one was believed: %t", man.forged.Load(), l.seen[netip.MustParseAddr("10.6.6.6")])
	}
	if len(l.without) > 0 {
		t.Errorf("a server that was always listed was not always there: %v", l.without)
	}
	l.mu.Unlock()
	change("example.org. 1 IN SOA ns.example.org. root.example.org. 1 3600 3600 3600 1")
	l.serving()
}

// load asks a server without a pause until it is ended, and gives how often it was asked.
func load(t *testing.T, server netip.AddrPort) (end func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			q := new(dns.Msg)
			q.SetQuestion("ready.example.org.", dns.TypeA)
			c := dns.Client{Timeout: time.Second}
			for ctx.Err() == nil {
				if _, _, err := c.ExchangeContext(ctx, q, server.String()); err == nil {
					asked.Add(1)
				}
			}
		})
	}
	return func() int {
		cancel()
		wg.Wait()
		return int(asked.Load())
	}
}

// manBetween stands between a client and a DNS server.
type manBetween struct {
	t       *testing.T
	address netip.AddrPort
	to      netip.AddrPort
	does    atomic.Value // string
	forged  atomic.Int64
	other   net.PacketConn // another sender than the one that is asked
}

func newManBetween(t *testing.T, to netip.AddrPort) *manBetween {
	t.Helper()
	m := &manBetween{t: t, to: to, address: local(freePort(t))}
	m.does.Store("forge")
	var err error
	m.other, err = net.ListenPacket("udp", "127.0.0.1:0")
	labtest.Must(t, err)
	t.Cleanup(func() { m.other.Close() })
	for _, network := range []string{"udp", "tcp"} {
		started := make(chan struct{})
		s := &dns.Server{Net: network, Addr: m.address.String(), Handler: m, NotifyStartedFunc: func() { close(started) }}
		ended := make(chan error, 1)
		go func() { ended <- s.ListenAndServe() }()
		select {
		case <-started:
		case err := <-ended:
			t.Fatal(err)
		}
		t.Cleanup(func() {
			labtest.Must(t, s.Shutdown())
			labtest.Must(t, <-ended)
		})
	}
	return m
}

// ServeDNS answers what the server answers, or what was chosen instead.
func (m *manBetween) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	network, does := w.RemoteAddr().Network(), m.does.Load().(string)
	c := dns.Client{Net: network, UDPSize: dns.MaxMsgSize, Timeout: 10 * time.Second}
	answer, _, err := c.Exchange(q, m.to.String())
	if err != nil {
		return // unbound begins anew: who asked will ask again
	}
	answer.Compress = true // as it was: thousands of names have no room otherwise
	switch {
	case does == "silent":
		return
	case does == "servfail":
		answer = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	case does == "cut off all", does == "cut off" && network == "udp":
		answer.Truncated, answer.Answer = true, nil
	case does == "forge" && network == "udp":
		m.forge(w, q)
	}
	_ = w.WriteMsg(answer)
}

// forge sends what looks like an answer, but for its number, its question, its sender, or
// for being one.
func (m *manBetween) forge(w dns.ResponseWriter, q *dns.Msg) {
	lie := func(change func(*dns.Msg)) []byte {
		f := new(dns.Msg)
		f.SetReply(q)
		f.Answer = append(f.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(10, 6, 6, 6)})
		change(f)
		packet, err := f.Pack()
		if err != nil {
			m.t.Error(err)
		}
		m.forged.Add(1)
		return packet
	}
	_, _ = m.other.WriteTo(lie(func(*dns.Msg) {}), w.RemoteAddr())
	for _, change := range []func(*dns.Msg){
		func(f *dns.Msg) { f.Id++ },
		func(f *dns.Msg) { f.Question[0].Name = "www.example.org." },
		func(f *dns.Msg) { f.Question[0].Qtype = dns.TypeAAAA },
		func(f *dns.Msg) { f.Response = false },
	} {
		_, _ = w.Write(lie(change))
	}
	_, _ = w.Write([]byte("no message"))
}
