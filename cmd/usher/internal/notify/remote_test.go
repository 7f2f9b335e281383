package notify

import (
	"bufio"
	"cmp"
	"crypto/hmac"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/conf"
)

var change = Change{
	Kind: Instance, Name: "web", State: "active", Previous: "backup", Priority: 150, Reason: "tolérance: no advert for 3.6 s",
	Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), RouterID: "lb1",
}

func TestWebhook(t *testing.T) {
	status := http.StatusNoContent
	var got Change
	var signature string
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got, signature = Change{}, r.Header.Get("X-Usher-Signature")
		if err := json.Unmarshal(body, &got); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			status = http.StatusTeapot
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	w, err := newWebhook(conf.Webhook{URL: server.URL + "/hook/secret-path", Secret: "key", Timeout: 10 * time.Second, Retries: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.deliver(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if got != change {
		t.Errorf("got %+v", got)
	}
	if !hmac.Equal([]byte(signature), []byte("sha256="+sign("key", body))) {
		t.Errorf("signature %q", signature)
	}
	if s := w.String(); strings.Contains(s, "secret-path") {
		t.Errorf("%q shows the path, which may be a secret", s)
	}
	for code, permanent := range map[int]bool{500: false, 503: false, 429: false, 408: false, 400: true, 401: true, 404: true} {
		status = code
		if err := w.deliver(t.Context(), change); err == nil || errors.Is(err, errPermanent) != permanent {
			t.Errorf("status %d: %v; want it permanent: %v", code, err, permanent)
		}
	}
	server.Close()
	if err := w.deliver(t.Context(), change); err == nil || errors.Is(err, errPermanent) {
		t.Errorf("no server: %v", err)
	}
}

// TestWebhookThatMoved: a change is delivered where its document has arrived, not where
// the client was sent on without it.
func TestWebhookThatMoved(t *testing.T) {
	var code int
	var arrived []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", code)
			return
		}
		body, _ := io.ReadAll(r.Body)
		arrived = append(arrived, r.Method+" "+r.Header.Get("X-Usher-Signature")+" "+string(body))
	}))
	defer server.Close()
	w, err := newWebhook(conf.Webhook{URL: server.URL + "/old", Secret: "key", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	for code = range map[int]bool{301: true, 302: true, 303: true, 307: true, 308: true} {
		arrived = nil
		err := w.deliver(t.Context(), change)
		whole := len(arrived) == 1 && arrived[0] == "POST sha256="+sign("key", body)+" "+string(body)
		if kept := code >= 307; kept != (err == nil) || kept != whole || !kept && !errors.Is(err, errPermanent) {
			t.Errorf("%d: %v, %q arrived", code, err, arrived)
		}
	}
}

// TestSignature: the example of RFC 4231 section 4.3.
func TestSignature(t *testing.T) {
	if got := sign("Jefe", []byte("what do ya want for nothing?")); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Error(got)
	}
}

// post is a mail server for one conversation.
type post struct {
	offers    []string
	refuses   bool // to authenticate anybody, with the words that he came with
	hangsUp   bool // as soon as it has the message
	cert      tls.Certificate
	encrypted bool
	auth      []string
	from, to  string
	data      string
	lines     []string
}

func (p *post) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
	say("220 mail.example.org")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		p.lines = append(p.lines, line)
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail.example.org")
			for _, o := range p.offers {
				if o != "STARTTLS" || !p.encrypted {
					say("250-" + o)
				}
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert}})
			conn, r, p.encrypted = secure, bufio.NewReader(secure), true
		case "AUTH":
			p.auth = append(p.auth, rest)
			if rest == "CRAM-MD5" {
				say("334 " + base64.StdEncoding.EncodeToString([]byte("<1@mail.example.org>")))
				answer, _ := r.ReadString('\n')
				p.auth = append(p.auth, strings.TrimSpace(answer))
			}
			if rest == "LOGIN" {
				for _, q := range []string{"Username:", "Password:"} {
					say("334 " + base64.StdEncoding.EncodeToString([]byte(q)))
					answer, _ := r.ReadString('\n')
					p.auth = append(p.auth, strings.TrimSpace(answer))
				}
			}
			if p.refuses {
				say("535 5.7.8 not with " + strings.Join(p.auth, " "))
				continue
			}
			say("235 welcome")
		case "MAIL":
			p.from = rest
			say("250 ok")
		case "RCPT":
			p.to += rest + " "
			if strings.Contains(rest, "nobody") {
				say("550 no such user")
			} else {
				say("250 ok")
			}
		case "DATA":
			say("354 go on")
			for {
				l, err := r.ReadString('\n')
				if err != nil || l == ".\r\n" {
					break
				}
				p.data += l
			}
			say("250 queued")
			if p.hangsUp {
				return
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

// mailTo sends the change to a server that behaves like p.
func mailTo(t *testing.T, p *post, c conf.Email) error {
	t.Helper()
	withCert := httptest.NewTLSServer(nil) // for a certificate of 127.0.0.1 and its authority
	defer withCert.Close()
	p.cert = withCert.TLS.Certificates[0]
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: withCert.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			p.serve(conn)
			_ = conn.Close()
		}
	}()
	c.Server, c.From, c.HELO, c.Timeout = l.Addr().String(), cmp.Or(c.From, "usher@example.org"), "lb1.example.org", 20*time.Second
	if len(c.To) == 0 {
		c.To = []string{"ops@example.org", "boss@example.org"}
	}
	m, err := newMail(c)
	if err != nil {
		t.Fatal(err)
	}
	err = m.deliver(t.Context(), change)
	_ = l.Close()
	<-done
	return err
}

func TestMail(t *testing.T) {
	p := &post{offers: []string{"STARTTLS", "AUTH PLAIN LOGIN"}}
	if err := mailTo(t, p, conf.Email{StartTLS: "require", User: "usher", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	want := "PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00usher\x00secret"))
	if !p.encrypted || len(p.auth) != 1 || p.auth[0] != want || !strings.HasPrefix(p.from, "FROM:<usher@example.org>") || strings.Count(p.to, "@") != 2 {
		t.Errorf("encrypted %v, auth %q, from %q, to %q", p.encrypted, p.auth, p.from, p.to)
	}
	for _, part := range []string{
		"Subject: [usher lb1] instance web: active\r\n", "To: ops@example.org, boss@example.org\r\n", "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n",
		"\r\n\r\ninstance web is active, was backup.\r\n", "tol=C3=A9rance",
	} {
		if !strings.Contains(p.data, part) {
			t.Errorf("%q is not in the message:\n%s", part, p.data)
		}
	}
}

func TestMailEncryption(t *testing.T) {
	for name, tt := range map[string]struct {
		offers    []string
		starttls  string
		encrypted bool
		fails     bool
	}{
		"required and offered":      {[]string{"STARTTLS"}, "require", true, false},
		"required and not offered":  {nil, "require", false, true},
		"preferred and offered":     {[]string{"STARTTLS"}, "prefer", true, false},
		"preferred and not offered": {nil, "prefer", false, false},
		"never":                     {[]string{"STARTTLS"}, "never", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &post{offers: tt.offers}
			err := mailTo(t, p, conf.Email{StartTLS: tt.starttls})
			if (err != nil) != tt.fails || p.encrypted != tt.encrypted || (p.data == "") != tt.fails {
				t.Errorf("error %v, encrypted %v, data %q", err, p.encrypted, p.data)
			}
		})
	}
}

func TestMailAuthentication(t *testing.T) {
	p := &post{offers: []string{"STARTTLS", "AUTH XOAUTH2 LOGIN"}}
	if err := mailTo(t, p, conf.Email{StartTLS: "require", User: "usher", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	if want := "LOGIN dXNoZXI= c2VjcmV0"; strings.Join(p.auth, " ") != want {
		t.Errorf("auth %q; want %q", p.auth, want)
	}
	p = &post{offers: []string{"AUTH PLAIN LOGIN CRAM-MD5"}}
	if err := mailTo(t, p, conf.Email{StartTLS: "never", User: "usher", Password: "secret"}); err != nil || p.auth[0] != "CRAM-MD5" {
		t.Errorf("in the clear: %v, auth %q; the one way that does not show the password is offered", err, p.auth)
	}
	p = &post{offers: []string{"AUTH XOAUTH2"}}
	if err := mailTo(t, p, conf.Email{StartTLS: "never", User: "usher", Password: "secret"}); !errors.Is(err, errPermanent) {
		t.Errorf("nothing that is known is offered: %v", err)
	}
}

func TestMailRefused(t *testing.T) {
	if err := mailTo(t, &post{}, conf.Email{StartTLS: "never", To: []string{"nobody@example.org"}}); !errors.Is(err, errPermanent) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("error %v", err)
	}
}

// TestMailIsSentOnce: a message that the server has taken is delivered, however the
// conversation ends.
func TestMailIsSentOnce(t *testing.T) {
	p := &post{hangsUp: true}
	if err := mailTo(t, p, conf.Email{StartTLS: "never"}); err != nil || p.data == "" {
		t.Errorf("%v: it would be sent again; data %q", err, p.data)
	}
}

// TestMailOfOneBadAddress: the others hear of it all the same, and the bad one is told.
func TestMailOfOneBadAddress(t *testing.T) {
	p := &post{}
	err := mailTo(t, p, conf.Email{StartTLS: "never", To: []string{"nobody@example.org", "ops@example.org"}})
	if p.data == "" {
		t.Error("nobody was told")
	}
	if !errors.Is(err, errPermanent) || !strings.Contains(err.Error(), "nobody@example.org") {
		t.Errorf("error %v; want one that names the address, and no second message to the other", err)
	}
}

// TestMailNames: people may be named beside their addresses, which alone the server is
// told.
func TestMailNames(t *testing.T) {
	p := &post{}
	if err := mailTo(t, p, conf.Email{StartTLS: "never", From: "Director één <usher@example.org>", To: []string{"The Ops <ops@example.org>", "root"}}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(p.from, "FROM:<usher@example.org>") || p.to != "TO:<ops@example.org> TO:<root> " {
		t.Errorf("from %q, to %q", p.from, p.to)
	}
	if from, to := "From: =?utf-8?q?Director_=C3=A9=C3=A9n?= <usher@example.org>\r\n", "To: \"The Ops\" <ops@example.org>, root\r\n"; !strings.Contains(p.data, from) || !strings.Contains(p.data, to) {
		t.Errorf("message:\n%s", p.data)
	}
}

// TestMailLines: however many there are to tell and however long the names are, no line
// is longer than RFC 5322 wants it (section 2.1.1), and all of it arrives.
func TestMailLines(t *testing.T) {
	p := &post{}
	var to []string
	for i := range 60 {
		to = append(to, fmt.Sprintf("Operator number %d <operator-%d@example.org>", i, i))
	}
	before := change
	defer func() { change = before }()
	change.Name = strings.Repeat("wëb ", 60)
	if err := mailTo(t, p, conf.Email{StartTLS: "never", To: to}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(p.data, "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
	got, err := netmail.ReadMessage(strings.NewReader(p.data))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := got.Header.AddressList("To"); err != nil || len(all) != len(to) || all[59].Address != "operator-59@example.org" {
		t.Errorf("to %v, %v", all, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if want := "[usher lb1] instance " + change.Name + ": active"; err != nil || subject != want {
		t.Errorf("subject %q, %v; want %q", subject, err, want)
	}
}
