package probe_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"usher/healthcheck"
)

// datagrams answers each datagram, or does not.
func datagrams(t *testing.T, answer func([]byte) []byte) healthcheck.Check {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if reply := answer(b[:n]); reply != nil {
				conn.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
	return healthcheck.Check{Address: addr(conn.LocalAddr().String()), Timeout: 30 * time.Second}
}

func TestUDP(t *testing.T) {
	c := datagrams(t, func(b []byte) []byte {
		if string(b) == "hush" {
			return nil
		}
		return append([]byte("re: "), b...)
	})
	c.Type = healthcheck.TypeUDP
	for _, x := range []struct {
		name    string
		udp     healthcheck.UDP
		timeout time.Duration
		outcome healthcheck.Outcome
		words   string
	}{
		{"any reply", healthcheck.UDP{Payload: []byte("hello"), RequireReply: true}, 0, healthcheck.Pass, ""},
		{"expected", healthcheck.UDP{Payload: []byte("hello"), RequireReply: true, Expect: []byte("re: hello")}, 0, healthcheck.Pass, ""},
		{"another", healthcheck.UDP{Payload: []byte("hello"), RequireReply: true, Expect: []byte("re: world")}, 0, healthcheck.Fail, "byte 4 of the reply is 68, want 77"},
		{"wildcard", healthcheck.UDP{Payload: []byte("hello"), RequireReply: true, Expect: []byte("re: wello"), Mask: []byte{255, 255, 255, 255, 0, 255}}, 0, healthcheck.Pass, ""},
		{"too short", healthcheck.UDP{Payload: []byte("hello"), RequireReply: true, MinReply: 100}, 0, healthcheck.Fail, "has 9 bytes, want at least 100"},
		{"too long", healthcheck.UDP{Payload: []byte("hello"), RequireReply: true, MaxReply: 4}, 0, healthcheck.Fail, "has 9 bytes, want at most 4"},
		{"shorter than expected", healthcheck.UDP{Payload: []byte("h"), RequireReply: true, Expect: []byte("re: hello")}, 0, healthcheck.Fail, "fewer than the 9 expected"},
		{"silence is good", healthcheck.UDP{Payload: []byte("hush")}, 100 * time.Millisecond, healthcheck.Pass, ""},
		{"silence is bad", healthcheck.UDP{Payload: []byte("hush"), RequireReply: true}, 100 * time.Millisecond, healthcheck.Fail, "no answer within 100 ms"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := c
			c.UDP = &x.udp
			if x.timeout != 0 {
				c.Timeout = x.timeout
			}
			expect(t, run(t, c), x.outcome, x.words)
		})
	}
	c.Address = addr("127.0.0.1:1")
	c.UDP = &healthcheck.UDP{Payload: []byte("x")}
	expect(t, run(t, c), healthcheck.Fail, "connection refused")
}

func TestDNSOverUDP(t *testing.T) {
	c := datagrams(t, func(b []byte) []byte {
		question, answer := new(dns.Msg), new(dns.Msg)
		if question.Unpack(b) != nil {
			return nil
		}
		answer.SetReply(question)
		switch question.Question[0].Name {
		case "www.example.org.":
			for _, text := range []string{"www.example.org. 60 IN TXT \"Hello World\"", "www.example.org. 60 IN CNAME web.Example.net."} {
				rr, err := dns.NewRR(text)
				if err != nil {
					return nil
				}
				answer.Answer = append(answer.Answer, rr)
			}
		case "garbage.":
			return []byte("garbage that is no message")
		case "other.":
			answer.Id++
		case "long.":
			answer.Truncated = true
		default:
			answer.Rcode = dns.RcodeNameError
		}
		out, err := answer.Pack()
		if err != nil {
			return nil
		}
		return out
	})
	c.Type = healthcheck.TypeDNS
	for _, x := range []struct {
		name    string
		dns     healthcheck.DNS
		outcome healthcheck.Outcome
		words   string
	}{
		{"found", healthcheck.DNS{Question: "www.example.org", Type: "TXT", Expect: []string{"hello world", "web.example.net"}}, healthcheck.Pass, ""},
		{"not among them", healthcheck.DNS{Question: "www.example.org", Type: "TXT", Expect: []string{"nobody"}}, healthcheck.Fail, `does not hold "nobody"; it holds ["\"Hello World\"" "web.Example.net."]`},
		{"no such name", healthcheck.DNS{Question: "nowhere.example", Type: "A"}, healthcheck.Fail, "is NXDOMAIN, want NOERROR"},
		{"no such name, as wanted", healthcheck.DNS{Question: "nowhere.example", Type: "A", RCode: "NXDOMAIN"}, healthcheck.Pass, ""},
		{"cut off", healthcheck.DNS{Question: "long", Type: "TXT", Expect: []string{"hello"}}, healthcheck.Fail, `is cut off before "hello"; ask with tcp = true`},
		{"garbage", healthcheck.DNS{Question: "garbage", Type: "A"}, healthcheck.Fail, "no answer within"},
		{"to another question", healthcheck.DNS{Question: "other", Type: "A"}, healthcheck.Fail, "no answer within"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := c
			if c.DNS = &x.dns; strings.HasPrefix(x.words, "no answer") {
				c.Timeout = 200 * time.Millisecond
			}
			expect(t, run(t, c), x.outcome, x.words)
		})
	}
}

func TestPing(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "127.8.9.10"} {
		c := healthcheck.Check{Type: healthcheck.TypePing, Address: netip.AddrPortFrom(netip.MustParseAddr(a), 0)}
		expect(t, run(t, c), healthcheck.Pass, "")
	}
	c := healthcheck.Check{Type: healthcheck.TypePing, Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0), Interface: "nosuch0"}
	expect(t, run(t, c), healthcheck.Inconclusive, "this machine cannot probe: no such device")
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	check := func(mode string) healthcheck.Result {
		return run(t, healthcheck.Check{Type: healthcheck.TypeFile, File: &healthcheck.File{Path: path, Mode: mode}})
	}
	expect(t, check("exists"), healthcheck.Fail, "is not there")
	expect(t, check("absent"), healthcheck.Pass, "")
	expect(t, check("weight"), healthcheck.Fail, "is not there")
	for _, text := range []string{"12\n", "-1", "70000", "many", ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := check("weight")
		if text == "12\n" {
			if expect(t, r, healthcheck.Pass, ""); r.Advice != (healthcheck.Advice{Weighted: true, Weight: 12}) {
				t.Errorf("advice %+v, want weight 12", r.Advice)
			}
			continue
		}
		expect(t, r, healthcheck.Fail, "want a weight from 0 to 65535")
	}
	expect(t, check("exists"), healthcheck.Pass, "")
	r := check("absent")
	expect(t, r, healthcheck.Pass, "maintenance: ")
	if !r.Advice.Drain {
		t.Errorf("a maintenance file does not drain")
	}
}

func TestProxyHeader(t *testing.T) {
	heard := make(chan string, 4)
	c := serve(t, func(conn net.Conn) {
		b := make([]byte, 512)
		n, _ := conn.Read(b)
		heard <- string(b[:n])
		conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
		conn.Read(b)
	})
	c.Timeout, c.Type = 30*time.Second, healthcheck.TypeHTTP
	c.HTTP = &healthcheck.HTTP{Proxy: 1}
	expect(t, run(t, c), healthcheck.Pass, "")
	if got, want := <-heard, "PROXY TCP4 127.0.0.1 127.0.0.1 "; !strings.HasPrefix(got, want) || !strings.Contains(got, fmt.Sprintf(" %d\r\n", c.Address.Port())) {
		t.Errorf("version 1: %q", got)
	}
	c.HTTP = &healthcheck.HTTP{Proxy: 2}
	expect(t, run(t, c), healthcheck.Pass, "")
	if got, want := <-heard, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01"; !strings.HasPrefix(got, want) {
		t.Errorf("version 2: %q", got)
	}
}

func TestAgentWords(t *testing.T) {
	for _, x := range []struct {
		line    string
		outcome healthcheck.Outcome
		words   string
		advice  healthcheck.Advice
	}{
		{"up 75%\n", healthcheck.Pass, `the agent says "up 75%"`, healthcheck.Advice{Scaled: true, Percent: 75}},
		{"drain\n", healthcheck.Pass, "", healthcheck.Advice{Drain: true}},
		{"MAINT\r\n", healthcheck.Pass, "", healthcheck.Advice{Drain: true}},
		{"ready, 150%, maxconn:30\n", healthcheck.Pass, "", healthcheck.Advice{Scaled: true, Percent: 150}},
		{"down # disk full\n", healthcheck.Fail, `the agent says "down": "disk full"`, healthcheck.Advice{}},
		{"stopped", healthcheck.Fail, "the agent says", healthcheck.Advice{}},
		{"99999999%\n", healthcheck.Fail, "is not a percentage up to 25600%", healthcheck.Advice{}},
		{"what\n", healthcheck.Fail, "says nothing that is known", healthcheck.Advice{}},
		{"", healthcheck.Fail, "says nothing that is known", healthcheck.Advice{}},
	} {
		c := serve(t, func(conn net.Conn) { conn.Write([]byte(x.line)) })
		c.Type, c.Timeout = healthcheck.TypeAgent, 30*time.Second
		r := run(t, c)
		expect(t, r, x.outcome, x.words)
		if r.Advice != x.advice {
			t.Errorf("%q: advice %+v, want %+v", x.line, r.Advice, x.advice)
		}
	}
}
