package dns

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"usher/director/discover"
)

// With allow_empty a name that does not exist is an empty answer where its zone says so:
// not where nobody signs for it, another zone does, or the root, which has not heard of a
// private zone.
func TestDenial(t *testing.T) {
	for _, c := range []struct{ soa, alias, want string }{
		{"service.example.", "", ""},
		{"SERVICE.example.", "", ""},
		{"example.", "", ""},
		{"example.", "web.other.", "nxdomain"},
		{"other.", "web.other.", ""},
		{"vice.example.", "", "nxdomain"},
		{".", "", "nxdomain"},
		{"", "", "nxdomain"},
	} {
		s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg)
			m.SetRcode(q, dns.RcodeNameError)
			if c.alias != "" {
				m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: c.alias})
			}
			if c.soa != "" {
				m.Ns = append(m.Ns, &dns.SOA{Hdr: dns.RR_Header{Name: c.soa, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.example.", Mbox: "a.example.", Minttl: 7})
			}
			_ = w.WriteMsg(m)
		})
		for _, kind := range []string{"A", "SRV"} {
			for _, obeyed := range []bool{false, true} {
				source := discover.Source{Kind: discover.KindDNS, AllowEmpty: obeyed, DNS: &discover.DNS{Name: "web.service.example", Type: kind, Servers: []netip.AddrPort{s.addr}}}
				want := "nxdomain"
				if obeyed {
					want = c.want
				}
				a := New(source, nil).Read(t.Context())
				if text(a) != want || len(a.Entries) > 0 || c.soa != "" && a.TTL != 7*time.Second {
					t.Errorf("%s, the zone %q, alias %q, allow_empty = %t: %q with TTL %v, expected %q", kind, c.soa, c.alias, obeyed, text(a), a.TTL, want)
				}
				if a.Failure != nil && obeyed && !strings.Contains(a.Failure.Text, "SOA record of the name's zone") {
					t.Errorf("the mend is not named: %s", a.Failure.Text)
				}
			}
		}
	}
}
