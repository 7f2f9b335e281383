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

// ask gives an answer that says something of a name: NOERROR or NXDOMAIN. Servers are
// asked one after the other, first the one that answered last, each for its part of the
// time that is left.
func (r *Reader) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var failures []string
	reason := discover.ReasonUnreachable
	for i := range r.servers {
		at := (r.good + i) % len(r.servers)
		within, cancel := share(ctx, len(r.servers)-i)
		m, err := r.server(within, r.servers[at], name, kind)
		cancel()
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

// share is a part of the time that ctx leaves.
func share(ctx context.Context, parts int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(parts))
}

// server asks one server, by UDP and then, where the answer is cut off, by TCP.
func (r *Reader) server(ctx context.Context, server netip.AddrPort, name string, kind uint16) (*dns.Msg, error) {
	m, err := r.udp(ctx, server, name, kind)
	if err == nil && m.Truncated {
		m, err = exchange(ctx, "tcp", server, question(name, kind, true))
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

func (r *Reader) udp(ctx context.Context, server netip.AddrPort, name string, kind uint16) (m *dns.Msg, err error) {
	for i := range tries {
		within, cancel := share(ctx, tries-i)
		m, err = exchange(within, "udp", server, question(name, kind, true))
		if err == nil && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) { // it knows no EDNS
			m, err = exchange(within, "udp", server, question(name, kind, false))
		}
		cancel()
		var f *discover.Failure
		if err == nil || ctx.Err() != nil || !errors.As(err, &f) || f.Reason != discover.ReasonTimeout {
			return m, err
		}
	}
	return m, err
}

func question(name string, kind uint16, edns bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, kind) // with a random number
	if edns {
		m.SetEdns0(payload, false)
	}
	return m
}

// exchange sends a question and waits for its answer. The kernel drops what other
// addresses than the server's send; what is not an answer to the question is passed over.
func exchange(ctx context.Context, network string, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	conn, err := dial(ctx, network, server)
	if err != nil {
		return nil, failure(err, "")
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	c := &dns.Conn{Conn: conn, UDPSize: longest}
	if err := c.WriteMsg(q); err != nil {
		return nil, failure(err, "")
	}
	other := ""
	for {
		m, err := c.ReadMsg()
		if err != nil {
			var broken *dns.Error
			if network == "udp" && (errors.As(err, &broken) || m != nil) { // no message; the true answer may follow
				other = "what came is no DNS message"
				if err := ctx.Err(); err == nil {
					continue
				}
			}
			return nil, failure(err, other)
		}
		if why := differs(m, q); why != "" {
			if other = why; network == "udp" {
				continue
			}
			return nil, &discover.Failure{Reason: discover.ReasonMismatch, Text: other}
		}
		return m, nil
	}
}

// dial opens a socket of its own for each question: whoever would forge an answer has to
// guess its port, too (RFC 5452). By UDP nothing is waited for, and the way of a Dialer
// costs as much as the question.
func dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
	if network == "udp" {
		return net.DialUDP(network, nil, net.UDPAddrFromAddrPort(server))
	}
	return new(net.Dialer).DialContext(ctx, network, server.String())
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
