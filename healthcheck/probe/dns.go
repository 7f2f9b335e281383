package probe

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"usher/healthcheck"
)

// ask is the dns check: one question, and its answer's code and records.
func ask(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	var d healthcheck.DNS
	if c.DNS != nil {
		d = *c.DNS
	}
	kind, ok := dns.StringToType[strings.ToUpper(d.Type)]
	if !ok {
		kind = dns.TypeSOA
	}
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(d.Question), kind)
	question.SetEdns0(1232, false)
	open := dialUDP
	if d.TCP {
		open = dial
	}
	conn, err := open(ctx, c)
	if err != nil {
		return failedBy(c, "connecting", err)
	}
	defer conn.Close()
	answer, err := exchange(conn, question, d.TCP)
	if err == nil && answer.IsEdns0() == nil && (answer.Rcode == dns.RcodeFormatError || answer.Rcode == dns.RcodeNotImplemented) {
		// A server older than EDNS (RFC 6891 section 7) is asked in the old way.
		question.Extra, question.Id = nil, dns.Id()
		answer, err = exchange(conn, question, d.TCP)
	}
	if err != nil {
		return failedBy(c, "waiting for the answer", err)
	}
	if err := judgeDNS(&d, answer); err != nil {
		return failedBy(c, "judging the answer", err)
	}
	return pass()
}

// exchange asks and takes the answer to this question; others are not for us.
func exchange(conn net.Conn, question *dns.Msg, stream bool) (*dns.Msg, error) {
	// dns.Conn decides by the type of its connection whether to frame messages,
	// and does not know ours.
	wire := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	send, receive := wire.WriteMsg, wire.ReadMsg
	if !stream {
		send = func(m *dns.Msg) error {
			b, err := m.Pack()
			if err == nil {
				_, err = conn.Write(b)
			}
			return err
		}
		buf := make([]byte, dns.MaxMsgSize)
		receive = func() (*dns.Msg, error) {
			n, err := conn.Read(buf)
			if err != nil {
				return nil, err
			}
			m := new(dns.Msg)
			return m, m.Unpack(buf[:n])
		}
	}
	if err := send(question); err != nil {
		return nil, err
	}
	for {
		answer, err := receive()
		if err != nil {
			if answer != nil && answer.Id == question.Id {
				return nil, judge("the answer is not DNS: %v", err)
			}
			if answer == nil || stream {
				return nil, err
			}
			continue // garbage that anybody may have sent
		}
		if answer.Id == question.Id && answer.Response {
			return answer, nil
		}
		if stream { // nobody else can have sent it, and it would go on so
			return nil, judge("the answer is to another question")
		}
	}
}

func judgeDNS(d *healthcheck.DNS, answer *dns.Msg) error {
	want := d.RCode
	if want == "" {
		want = "NOERROR"
	}
	if got := dns.RcodeToString[answer.Rcode]; !strings.EqualFold(got, want) {
		return judge("the answer to %s %s is %s, want %s", d.Question, d.Type, got, want)
	}
	var records []string
	for _, rr := range answer.Answer {
		records = append(records, strings.TrimSpace(strings.TrimPrefix(rr.String(), rr.Header().String())))
	}
	for _, want := range d.Expect {
		if !slices.ContainsFunc(records, func(r string) bool { return sameRecord(r, want) }) {
			if answer.Truncated {
				return judge("the answer to %s %s is cut off before %q; ask with tcp = true", d.Question, d.Type, want)
			}
			return judge("the answer to %s %s does not hold %q; it holds [%s]", d.Question, d.Type, want, some(records))
		}
	}
	return nil
}

// some are the first records of an answer, for people.
func some(records []string) string {
	const most = 8
	var shown []string
	for _, r := range records[:min(len(records), most)] {
		shown = append(shown, quote(r))
	}
	if more := len(records) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, " ")
}

// sameRecord compares record data as people write it: case, a final dot and the
// quotes of a text make no difference.
func sameRecord(a, b string) bool {
	plain := func(s string) string { return strings.TrimSuffix(strings.Trim(s, `"`), ".") }
	return strings.EqualFold(plain(a), plain(b))
}
