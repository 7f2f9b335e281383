package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"usher/director/discover"
	"usher/healthcheck"
)

// payload is how many bytes an answer by UDP may have: what no network fragments.
const payload = 1232

// longest is how many are read, of servers that send what they were told not to.
const longest = 4096

// tries is how often a server is asked by UDP, where packets get lost.
const tries = 2

// unlimited is how long is asked where nobody says.
const unlimited = time.Minute

// ask gives an answer that says something of a name: NOERROR or NXDOMAIN. Servers are
// asked one after the other, first the one that answered last, each for its part of the
// time that is left.
func (r *Reader) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var failures []string
	reason := discover.ReasonUnreachable
	end, limited := ctx.Deadline()
	if !limited {
		end = time.Now().Add(unlimited)
	}
	for i := range r.servers {
		at := (r.good + i) % len(r.servers)
		m, err := r.server(ctx, r.servers[at], query{name: name, kind: kind}, share(end, len(r.servers)-i))
		if err == nil {
			r.good, r.last = at, m
			return m, nil
		}
		var f *discover.Failure
		if errors.As(err, &f) && (i == 0 || f.Reason != discover.ReasonUnreachable) {
			reason = f.Reason
		}
		failures = append(failures, fmt.Sprintf("%s: %s", r.servers[at], err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &discover.Failure{Reason: reason, Text: healthcheck.Printable(fmt.Sprintf("asked for %s %s, %s",
		shown(name), dns.TypeToString[kind], strings.Join(failures, "; ")))}
}

// share is when a part of the time until end is over.
func share(end time.Time, parts int) time.Time {
	now := time.Now()
	return now.Add(end.Sub(now) / time.Duration(parts))
}

// server asks one server, by UDP and then, where the answer is cut off, by TCP.
func (r *Reader) server(ctx context.Context, server netip.AddrPort, q query, end time.Time) (*dns.Msg, error) {
	m, err := r.udp(ctx, server, q, end)
	if err == nil && m.Truncated {
		m, err = stream(ctx, server, q.message(), end)
		if err == nil && m.Truncated {
			return nil, &discover.Failure{Reason: discover.ReasonTooLarge, Text: "the answer is cut off by TCP, too"}
		}
	}
	if err != nil {
		return nil, err
	}
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		return m, nil
	}
	code := dns.RcodeToString[m.Rcode]
	if code == "" {
		code = fmt.Sprintf("response code %d", m.Rcode)
	}
	return nil, &discover.Failure{Reason: discover.ReasonServFail, Text: "it answers " + code}
}

func (r *Reader) udp(ctx context.Context, server netip.AddrPort, q query, end time.Time) (m *dns.Msg, err error) {
	for i := range tries {
		within := share(end, tries-i)
		m, err = r.datagram(ctx, server, q, within)
		if err == nil && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) { // it knows no EDNS
			plain := q
			plain.plain = true
			m, err = r.datagram(ctx, server, plain, within)
		}
		var f *discover.Failure
		if err == nil || ctx.Err() != nil || !errors.As(err, &f) || f.Reason != discover.ReasonTimeout {
			return m, err
		}
	}
	return m, err
}

// query is what is asked.
type query struct {
	name  string
	kind  uint16
	plain bool // without EDNS
}

// message is the query with a random number.
func (q query) message() *dns.Msg {
	m := new(dns.Msg).SetQuestion(q.name, q.kind)
	if !q.plain {
		m.SetEdns0(payload, false)
	}
	return m
}

// stream asks by TCP.
func stream(ctx context.Context, server netip.AddrPort, q *dns.Msg, end time.Time) (*dns.Msg, error) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, failure(err, "")
	}
	defer conn.Close()
	_ = conn.SetDeadline(end)
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	c := &dns.Conn{Conn: conn}
	if err := c.WriteMsg(q); err != nil {
		return nil, failure(err, "")
	}
	m, err := c.ReadMsg()
	if err != nil {
		return nil, failure(err, "")
	}
	if why := differs(m, q); why != "" {
		return nil, &discover.Failure{Reason: discover.ReasonMismatch, Text: why}
	}
	return m, nil
}

// differs says why a message is no answer to a question, "" where it is.
func differs(m, q *dns.Msg) string {
	switch {
	case !m.Response || m.Opcode != dns.OpcodeQuery:
		return "what came is no answer"
	case m.Id != q.Id:
		return "what came answers another question (its number differs)"
	case len(m.Question) == 0 && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return "" // an error may leave it out
	case len(m.Question) != 1 || m.Question[0].Qtype != q.Question[0].Qtype || m.Question[0].Qclass != q.Question[0].Qclass ||
		dns.CanonicalName(m.Question[0].Name) != dns.CanonicalName(q.Question[0].Name):
		return "what came answers another question"
	}
	return ""
}

// failure gives an error its reason. other is what came instead of an answer.
func failure(err error, other string) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		if other != "" {
			return &discover.Failure{Reason: discover.ReasonMismatch, Text: other}
		}
		return &discover.Failure{Reason: discover.ReasonTimeout, Text: "no answer in time"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &discover.Failure{Reason: discover.ReasonUnreachable, Text: "connection refused"}
	}
	var broken *dns.Error
	if errors.As(err, &broken) {
		return &discover.Failure{Reason: discover.ReasonMalformed, Text: "no DNS message: " + healthcheck.Printable(broken.Error())}
	}
	return &discover.Failure{Reason: discover.ReasonUnreachable, Text: healthcheck.Printable(err.Error())}
}
