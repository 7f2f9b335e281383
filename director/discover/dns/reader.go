package dns

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"usher/director/discover"
	"usher/healthcheck"
)

// Bounds of one answer.
const (
	mostAliases = 8   // CNAMEs that are followed
	atOnce      = 8   // questions about targets of SRV records at one time
	mostRecords = 512 // of targets that are asked for by themselves
)

// Resolv is where servers are found that a source does not name.
const Resolv = "/etc/resolv.conf"

// Reader asks for the records of one source. Its methods are called from one goroutine.
type Reader struct {
	source  discover.Source
	name    string // canonical
	resolv  string
	servers []netip.AddrPort
	good    int      // index of the server that answered last
	last    *dns.Msg // its latest answer

	transport *Transport
	memory    memory
}

// New makes a Reader of a source of kind dns, which asks by t; nil for one of its own.
func New(s discover.Source, t *Transport) *Reader {
	if t == nil {
		t = new(Transport)
	}
	return &Reader{source: s, name: dns.CanonicalName(s.DNS.Name), resolv: Resolv, transport: t}
}

// Read asks once, and again of other servers where one fails. It ends with ctx.
func (r *Reader) Read(ctx context.Context) discover.Answer {
	r.servers = r.source.DNS.Servers
	if len(r.servers) == 0 {
		if r.servers = fromResolv(r.resolv); len(r.servers) == 0 {
			return discover.Fail(discover.ReasonUnreachable, "no DNS server is given, and "+r.resolv+" names none: give servers")
		}
	}
	var a discover.Answer
	var err error
	if r.source.DNS.Type == "SRV" {
		a, err = r.srv(ctx)
	} else {
		a, err = r.addresses(ctx)
	}
	if err == nil {
		return a
	}
	if d := new(denial); r.source.AllowEmpty && errors.As(err, &d) && d.zone != "" {
		return discover.Answer{TTL: a.TTL}
	}
	var f *discover.Failure
	if !errors.As(err, &f) {
		f = &discover.Failure{Reason: discover.ReasonUnreachable, Text: healthcheck.Printable(err.Error())}
	}
	return discover.Answer{Failure: f, TTL: a.TTL}
}

// Close has nothing to give back.
func (r *Reader) Close() {}

func fromResolv(path string) (all []netip.AddrPort) {
	c, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil
	}
	for _, s := range c.Servers {
		if a, err := netip.ParseAddr(s); err == nil {
			all = append(all, netip.AddrPortFrom(a, 53))
		}
	}
	return all
}

// ttl keeps the least of some.
type ttl struct{ least time.Duration }

func (t *ttl) see(seconds uint32) {
	if d := time.Duration(seconds) * time.Second; t.least == 0 || d < t.least {
		t.least = max(d, time.Nanosecond) // 0 is told from none
	}
}

// addresses asks for A or AAAA records.
func (r *Reader) addresses(ctx context.Context) (discover.Answer, error) {
	kind := dns.StringToType[r.source.DNS.Type]
	found, life, err := r.lookup(ctx, r.name, kind)
	a := discover.Answer{TTL: life.least}
	for _, rr := range found {
		if addr, ok := address(rr); ok {
			a.Entries = append(a.Entries, discover.Entry{Address: netip.AddrPortFrom(addr, 0), Weight: discover.NoWeight})
		}
	}
	return a, err
}

func address(rr dns.RR) (netip.Addr, bool) {
	var ip net.IP
	switch rr := rr.(type) {
	case *dns.A:
		ip = rr.A
	case *dns.AAAA:
		ip = rr.AAAA
	}
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}

// lookup gives the records of a kind that a name has, by way of its aliases. None, and no
// error, is an answer: the name exists, and has no such records.
func (r *Reader) lookup(ctx context.Context, name string, kind uint16) (found []dns.RR, life ttl, err error) {
	asked := name
	for hop := 0; hop <= mostAliases; {
		m, err := r.ask(ctx, asked, kind)
		if err != nil {
			return nil, life, err
		}
		last := follow(m.Answer, asked, &life, &hop)
		for _, rr := range m.Answer {
			if h := rr.Header(); h.Rrtype == kind && h.Class == dns.ClassINET && dns.CanonicalName(h.Name) == last {
				life.see(h.Ttl)
				found = append(found, rr)
			}
		}
		if m.Rcode == dns.RcodeNameError || len(found) == 0 {
			negative(m, &life)
		}
		switch {
		case m.Rcode == dns.RcodeNameError:
			return nil, life, r.denied(m, last)
		case len(found) > 0 || last == asked && !referral(m):
			return found, life, nil
		case referral(m):
			return nil, life, &discover.Failure{Reason: discover.ReasonServFail, Text: fmt.Sprintf("the server refers to others for %s: it does not resolve for clients", shown(last))}
		}
		asked = last
	}
	return nil, life, &discover.Failure{Reason: discover.ReasonMalformed, Text: fmt.Sprintf("more than %d aliases (CNAME) lead on from %s", mostAliases, shown(name))}
}

// follow gives the name at the end of the aliases that an answer has for a name.
func follow(answer []dns.RR, name string, life *ttl, hop *int) string {
	for *hop <= mostAliases {
		next := ""
		for _, rr := range answer {
			if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == name {
				next = dns.CanonicalName(c.Target)
				life.see(c.Hdr.Ttl)
				break
			}
		}
		if next == "" {
			break
		}
		name = next
		*hop++
	}
	return name
}

// denial is the failure of a name that does not exist. With allow_empty, that a zone says
// so is an empty answer: Consul says it of a service that has no healthy instance.
type denial struct {
	*discover.Failure
	zone string // that says so; "" where none does
}

func (d *denial) Unwrap() error { return d.Failure }

func (r *Reader) denied(m *dns.Msg, name string) error {
	d := &denial{&discover.Failure{Reason: discover.ReasonNXDomain, Text: shown(name) + " does not exist (NXDOMAIN)"}, authority(m, name)}
	if r.source.AllowEmpty && d.zone == "" {
		d.Text += ", which is obeyed with allow_empty where the answer has the SOA record of the name's zone: this has none"
	}
	return d
}

// authority is the zone that denies a name by its SOA record (RFC 2308, 2.1); "" for none.
// The root says of names of private zones that they do not exist, when a resolver has lost
// its way to these: it does not count.
func authority(m *dns.Msg, name string) string {
	for _, rr := range m.Ns {
		soa, ok := rr.(*dns.SOA)
		if !ok || soa.Hdr.Class != dns.ClassINET {
			continue
		}
		if zone := dns.CanonicalName(soa.Hdr.Name); zone != "." && dns.IsSubDomain(zone, name) {
			return zone
		}
	}
	return ""
}

// negative takes the time of an answer without records (RFC 2308, 5).
func negative(m *dns.Msg, life *ttl) {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			life.see(min(soa.Hdr.Ttl, soa.Minttl))
		}
	}
}

// referral tells whether an answer without records only names other servers.
func referral(m *dns.Msg) bool {
	if m.Authoritative || m.Rcode != dns.RcodeSuccess {
		return false
	}
	ns := false
	for _, rr := range m.Ns {
		switch rr.(type) {
		case *dns.SOA:
			return false
		case *dns.NS:
			ns = true
		}
	}
	return ns
}

// srv asks for SRV records and for the addresses of their targets, where the answer has
// none of them beside it.
func (r *Reader) srv(ctx context.Context) (discover.Answer, error) {
	m, name, life, err := r.services(ctx)
	a := discover.Answer{TTL: life.least}
	if err != nil {
		return a, err
	}
	records, targets := []*dns.SRV{}, []string{}
	known := map[string][]netip.Addr{}
	for _, rr := range m.Answer {
		s, ok := rr.(*dns.SRV)
		if !ok || dns.CanonicalName(s.Hdr.Name) != name {
			continue
		}
		if s.Target == "." { // the service is decidedly not here (RFC 2782)
			continue
		}
		s.Target = dns.CanonicalName(s.Target)
		records = append(records, s)
		if _, there := known[s.Target]; !there {
			known[s.Target] = nil
			targets = append(targets, s.Target)
		}
	}
	kind := dns.TypeA
	if r.source.DNS.IPv6 {
		kind = dns.TypeAAAA
	}
	for _, rr := range m.Extra {
		if _, wanted := known[dns.CanonicalName(rr.Header().Name)]; wanted && rr.Header().Rrtype == kind {
			if addr, ok := address(rr); ok {
				life.see(rr.Header().Ttl)
				known[dns.CanonicalName(rr.Header().Name)] = append(known[dns.CanonicalName(rr.Header().Name)], addr)
			}
		}
	}
	ignored, err := r.targets(ctx, targets, kind, known, &life)
	if a.TTL = life.least; err != nil {
		return a, err
	}
	a.Ignored = ignored
	weightless := true
	for _, s := range records {
		weightless = weightless && s.Weight == 0
	}
	for _, s := range records {
		weight := max(int(s.Weight), 1) // 0 beside others is "a very small chance" (RFC 2782)
		if weightless {
			weight = discover.NoWeight
		}
		for _, addr := range known[s.Target] {
			a.Entries = append(a.Entries, discover.Entry{Address: netip.AddrPortFrom(addr, s.Port), Weight: weight, Priority: int(s.Priority)})
		}
	}
	return a, nil
}

// services gives the message with the SRV records and the name that they are of.
func (r *Reader) services(ctx context.Context) (*dns.Msg, string, ttl, error) {
	found, life, err := r.lookup(ctx, r.name, dns.TypeSRV)
	if err != nil || len(found) == 0 {
		return new(dns.Msg), r.name, life, err
	}
	return r.last, dns.CanonicalName(found[0].Header().Name), life, nil
}

// targets asks for the addresses of the targets that have none yet. A target without any
// is left out; one that cannot be asked for makes the whole answer none.
func (r *Reader) targets(ctx context.Context, targets []string, kind uint16, known map[string][]netip.Addr, life *ttl) ([]discover.Ignored, error) {
	var missing []string
	for _, t := range targets {
		if len(known[t]) == 0 {
			missing = append(missing, t)
		}
	}
	if len(missing) > mostRecords {
		return nil, &discover.Failure{Reason: discover.ReasonTooMany, Text: fmt.Sprintf("%d targets of SRV records without an address beside them, more than %d", len(missing), mostRecords)}
	}
	type outcome struct {
		addrs []netip.Addr
		life  ttl
		why   string
	}
	all := make([]outcome, len(missing))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, target := range missing {
		g.Go(func() error {
			one := *r // each remembers for itself which server answers
			one.memory = memory{}
			found, life, err := one.lookup(ctx, target, kind)
			var f *discover.Failure
			switch {
			case errors.As(err, &f) && f.Reason == discover.ReasonNXDomain:
				all[i].why = "the target of the SRV record does not exist"
			case err != nil:
				return err
			case len(found) == 0:
				all[i].why = fmt.Sprintf("the target of the SRV record has no %s record", dns.TypeToString[kind])
			}
			all[i].life = life
			for _, rr := range found {
				if addr, ok := address(rr); ok {
					all[i].addrs = append(all[i].addrs, addr)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var ignored []discover.Ignored
	for i, t := range missing {
		if all[i].why != "" {
			ignored = append(ignored, discover.Ignored{Entry: shown(t), Why: all[i].why})
		}
		known[t] = all[i].addrs
		if all[i].life.least > 0 {
			life.see(uint32(min(all[i].life.least/time.Second, math.MaxUint32)))
		}
	}
	return ignored, nil
}

// shown is a name for people.
func shown(name string) string { return healthcheck.Printable(strings.TrimSuffix(name, ".")) }
