package probe

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"usher/healthcheck"
)

// TestLongAnswer: what a server says is told in a few words, however long it is.
func TestLongAnswer(t *testing.T) {
	answer := &dns.Msg{}
	for range 500 {
		answer.Answer = append(answer.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeTXT}, Txt: []string{strings.Repeat("x", 250)}})
	}
	err := judgeDNS(&healthcheck.DNS{Question: "example.org", Type: "TXT", Expect: []string{"hello"}}, answer)
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "and 492 more") {
		t.Errorf("%v", err)
	}
}
