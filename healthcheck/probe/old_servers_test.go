package probe_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"usher/healthcheck"
)

// TestServersOlderThanTheirStandard: a mail server that does not know EHLO is greeted by
// HELO, and a name server that does not know EDNS is asked without.
func TestServersOlderThanTheirStandard(t *testing.T) {
	for code, outcome := range map[string]healthcheck.Outcome{"500": healthcheck.Pass, "502": healthcheck.Pass, "421": healthcheck.Fail} {
		c := serve(t, func(conn net.Conn) {
			io.WriteString(conn, "220 mail.example.org\r\n")
			for in := bufio.NewScanner(conn); in.Scan(); {
				switch verb, _, _ := strings.Cut(in.Text(), " "); verb {
				case "HELO":
					io.WriteString(conn, "250 mail.example.org\r\n")
				case "QUIT":
					io.WriteString(conn, "221 bye\r\n")
					return
				default:
					io.WriteString(conn, code+" what?\r\n")
				}
			}
		})
		c.Type = healthcheck.TypeSMTP
		words := ""
		if outcome == healthcheck.Fail {
			words = `the answer to EHLO is "421 what?", want 250`
		}
		expect(t, run(t, c), outcome, words)
		c.SMTP = &healthcheck.SMTP{StartTLS: true}
		if r := run(t, c); r.Outcome != healthcheck.Fail {
			t.Errorf("%s: STARTTLS that is not offered: %s", code, r.Outcome)
		}
	}
	c := datagrams(t, func(b []byte) []byte {
		question, answer := new(dns.Msg), new(dns.Msg)
		if question.Unpack(b) != nil {
			return nil
		}
		answer.SetReply(question)
		if question.IsEdns0() != nil || question.Question[0].Name == "bad." {
			answer.Rcode = dns.RcodeFormatError
		}
		out, err := answer.Pack()
		if err != nil {
			return nil
		}
		return out
	})
	c.Type = healthcheck.TypeDNS
	expect(t, run(t, c), healthcheck.Pass, "")
	c.DNS = &healthcheck.DNS{Question: "bad"}
	expect(t, run(t, c), healthcheck.Fail, "is FORMERR, want NOERROR")
}

// TestAgentThatIsNotThere says nothing of the server.
func TestAgentThatIsNotThere(t *testing.T) {
	r := run(t, healthcheck.Check{Type: healthcheck.TypeAgent, Address: addr("127.0.0.1:1")})
	if expect(t, r, healthcheck.Inconclusive, "the agent cannot be asked: connecting: connection refused"); !r.Absent {
		t.Errorf("%+v", r)
	}
}
