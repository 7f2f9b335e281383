package probe

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"usher/healthcheck"
)

// script is a connection whose other side has said all that it will say.
type script struct {
	net.Conn
	in *bytes.Reader
}

func scripted(b []byte) net.Conn { return script{in: bytes.NewReader(b)} }

func (s script) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s script) Write(b []byte) (int, error) { return len(b), nil }
func (s script) Close() error                { return nil }

// FuzzHTTPAnswer: an answer read in one piece is the same read byte by byte.
func FuzzHTTPAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 200 OK\n\nuntil the end",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\nTransfer-Encoding: gzip,\r\n\tchunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 3\r\n\r\nabc",
		"SSH-2.0-OpenSSH\r\n",
		"",
	} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		read := func(size int) (httpAnswer, bool, error) {
			h := settings(&healthcheck.Check{HTTP: &healthcheck.HTTP{ExpectBody: "x", ExpectBodySHA256: "y"}})
			if head {
				h.Method = "HEAD"
			}
			var a httpAnswer
			a.reset(&h)
			for rest := b; len(rest) > 0; {
				n := min(size, len(rest))
				if done, err := a.feed(rest[:n], false); done || err != nil {
					return a, done, err
				}
				rest = rest[n:]
			}
			done, err := a.feed(nil, true)
			return a, done, err
		}
		whole, done1, err1 := read(len(b) + 1)
		bytewise, done2, err2 := read(1)
		if done1 != done2 || (err1 == nil) != (err2 == nil) || whole.Status != bytewise.Status || !bytes.Equal(whole.body.Bytes, bytewise.body.Bytes) {
			t.Fatalf("whole: %d %q %v %v; bytewise: %d %q %v %v", whole.Status, whole.body.Bytes, done1, err1, bytewise.Status, bytewise.body.Bytes, done2, err2)
		}
		if !done1 && err1 == nil {
			t.Fatal("neither complete nor wrong at the end")
		}
		if len(whole.body.Bytes) > answerMost {
			t.Fatalf("%d bytes of body kept", len(whole.body.Bytes))
		}
	})
}

func FuzzSMTPReply(f *testing.F) {
	f.Add([]byte("250-a\r\n250 b\r\n"))
	f.Add([]byte("220"))
	f.Add([]byte(strings.Repeat("250-x\r\n", 200)))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := reply(newTextConn(scripted(b)), "250", "the answer")
		if err == nil && (len(lines) == 0 || len(lines) > repliesMost) {
			t.Fatalf("%d lines", len(lines))
		}
	})
}

// FuzzMySQL: whatever a server says in place of MySQL's words, and goes on with, the
// login ends, and takes little memory.
func FuzzMySQL(f *testing.F) {
	const greeting = "\x0a8.0.30-test\x00\x01\x00\x00\x00saltsalt\x00\xff\xf7\x2d\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00saltsaltsalt\x00mysql_native_password\x00"
	packet := func(number byte, text string) string { return string([]byte{byte(len(text)), 0, 0, number}) + text }
	f.Add([]byte(packet(0, greeting) + packet(2, "\x00\x00\x00\x02\x00\x00\x00")))
	f.Add([]byte(packet(0, greeting) + packet(2, "\xfecaching_sha2_password\x00saltsaltsaltsaltsalt\x00") + packet(4, "\x01\x04") + packet(6, "\x01no key")))
	f.Add([]byte(packet(0, greeting) + packet(2, "\xfeclient_ed25519\x00salt")))
	f.Add([]byte(packet(0, strings.Replace(greeting, "mysql_native", "sha256", 1)) + packet(2, "\x01")))
	f.Add([]byte(packet(0, "\xff\x15\x04#28000Access denied")))
	f.Add([]byte(packet(0, "\x0a")))
	f.Add([]byte(packet(0, "\xff")))
	f.Add([]byte("\xff\xff\xff\x00" + greeting))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range []healthcheck.Database{{}, {User: "u", Database: "d"}} {
			if err := mysqlConnect(t.Context(), scripted(b), d, "secret"); err != nil && strings.HasPrefix(err.Error(), mysqlPanic) {
				t.Fatal(err)
			}
		}
	})
}

func FuzzPostgres(f *testing.F) {
	f.Add([]byte("R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I"))
	f.Add([]byte("E\x00\x00\x00\x1aC28P01\x00Mno password\x00\x00"))
	f.Add([]byte("R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00R\x00\x00\x00\x14\x00\x00\x00\x0br=x,s=eA==,i=1"))
	f.Add([]byte("R\x00\x00\x00\x0c\x00\x00\x00\x0c v=x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := postgresLogin(t.Context(), scripted(b), healthcheck.Database{User: "u", Password: new(healthcheck.Credential)}, "secret"); err == nil && !bytes.Contains(b, []byte("Z")) {
			t.Fatal("in, and never ready for queries")
		}
	})
}

// FuzzSCRAM: servers that go on from our own nonce, as far as to a signature that they
// cannot make.
func FuzzSCRAM(f *testing.F) {
	f.Add("server,s=c2FsdA==,i=4096", "v=AAAA")
	f.Add("x,s=,i=1", "v=")
	f.Add(",s=c2FsdA==,i=-1", "e=other-error")
	f.Add("x,s=c2FsdA==,i=99999999999999999999", "")
	f.Fuzz(func(t *testing.T, challenge, end string) {
		s := newScram("secret")
		s.first()
		challenge = "r=" + s.nonce + challenge
		if final, err := s.final(t.Context(), challenge); err == nil && !strings.HasPrefix(final, "c=biws,r="+s.nonce) {
			t.Fatalf("%q is answered with %q", challenge, final)
		}
		if s.verify(end) == nil {
			t.Fatalf("%q proves that the server knows the password", end)
		}
	})
}

// FuzzWeightPrinted: what a command prints is a weight that IPVS can take, or a failure.
func FuzzWeightPrinted(f *testing.F) {
	f.Add([]byte("42\nmore"))
	f.Add([]byte(" 65536"))
	f.Add([]byte("-1"))
	f.Fuzz(func(t *testing.T, out []byte) {
		r := weightPrinted("command", out)
		if a := r.Advice; r.Outcome == healthcheck.Inconclusive || a.Weighted != (r.Outcome == healthcheck.Pass) || a.Weight < 0 || a.Weight > 65535 {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzAgent(f *testing.F) {
	f.Add("up 75% # fine")
	f.Add("drain,maint;down")
	f.Fuzz(func(t *testing.T, line string) {
		r := judgeAgent(line)
		if r.Outcome == healthcheck.Inconclusive || r.Advice.Percent < 0 || r.Advice.Percent > agentMost {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzRedis(f *testing.F) {
	f.Add("+PONG")
	f.Add("-NOAUTH Authentication required.")
	f.Fuzz(func(t *testing.T, line string) {
		if judgeRedis("PING", line) == nil && line != "+PONG" {
			t.Fatalf("%q passes", line)
		}
	})
}

func FuzzGRPCHealth(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 5, 18, 1, 'x', 8, 1})
	f.Fuzz(func(t *testing.T, b []byte) { healthStatus(b) })
}

func FuzzJSONPath(f *testing.F) {
	f.Add([]byte(`{"status":{"db":["ok",3]}}`), "status.db[1]")
	f.Add([]byte(`[[1]]`), "[0][0]")
	f.Add([]byte(`{}`), "[")
	f.Add([]byte("\ufeff{\"a.b\":1}"), `["a.b"]`)
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		judgeJSON([]healthcheck.JSONExpect{{Path: path}}, "/", body)
		var root any
		steps, err := healthcheck.ParseJSONPath(path)
		if json.Unmarshal(body, &root) == nil && err == nil {
			lookUp(root, steps)
		}
	})
}

func FuzzPingReply(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0x4f})
	proto := pingProtocol{family: 2, number: 1, reply: ipv4.ICMPTypeEchoReply}
	f.Fuzz(func(t *testing.T, b []byte) {
		if isReply(proto, b, []byte("12345678")) && !bytes.Contains(b, []byte("12345678")) {
			t.Fatal("a reply without our data")
		}
	})
}

// FuzzDNS: by datagrams and by a stream, where each message has its length before it.
func FuzzDNS(f *testing.F) {
	question := new(dns.Msg)
	question.SetQuestion("example.org.", dns.TypeA)
	question.Id = 7 // what is found once is found again
	answer := new(dns.Msg).SetReply(question)
	rr, err := dns.NewRR("example.org. 60 IN A 192.0.2.1")
	if err != nil {
		f.Fatal(err)
	}
	answer.Answer = []dns.RR{rr}
	text, err := answer.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, false)
	f.Add(append([]byte{0, byte(len(text))}, text...), true)
	f.Add([]byte{0, 12, 0, 7, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0}, true)
	want := &healthcheck.DNS{Question: "example.org", Type: "A", Expect: []string{"192.0.2.1"}}
	f.Fuzz(func(t *testing.T, b []byte, stream bool) {
		answer, err := exchange(scripted(b), question, stream)
		if err == nil && judgeDNS(want, answer) == nil && !bytes.Contains(b, []byte{192, 0, 2, 1}) {
			t.Fatalf("%x holds the address", b)
		}
	})
}

func FuzzDatagram(f *testing.F) {
	f.Add([]byte("hello"), []byte("hello"), []byte{0xff, 0x0f})
	f.Fuzz(func(t *testing.T, reply, want, mask []byte) {
		err := judgeDatagram(&healthcheck.UDP{Expect: want, Mask: mask}, reply)
		if bytes.HasPrefix(reply, want) && err != nil {
			t.Fatalf("%q begins with %q: %v", reply, want, err)
		}
	})
}
