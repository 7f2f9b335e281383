package probe_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// manners are how a server misbehaves: what becomes of all that it writes.
type manners func(net.Conn) net.Conn

func good(c net.Conn) net.Conn { return c }

// silent takes everything and says nothing.
func silent(c net.Conn) net.Conn { return silentConn{c} }

type silentConn struct{ net.Conn }

func (s silentConn) Write([]byte) (int, error) {
	io.Copy(io.Discard, s.Conn)
	return 0, net.ErrClosed
}

// dripping sends a byte each tenth of a second.
func dripping(c net.Conn) net.Conn { return drippingConn{c} }

type drippingConn struct{ net.Conn }

func (d drippingConn) Write(b []byte) (int, error) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		<-ticker.C
	}
	return len(b), nil
}

// cut stops in the middle of its first words.
func cut(c net.Conn) net.Conn { return cutConn{c} }

type cutConn struct{ net.Conn }

func (c cutConn) Write(b []byte) (int, error) {
	n, _ := c.Conn.Write(b[:len(b)/2])
	c.Conn.Close()
	return n, net.ErrClosed
}

// babbling speaks another protocol.
func babbling(c net.Conn) net.Conn { return &babblingConn{c} }

type babblingConn struct{ net.Conn }

func (b *babblingConn) Write([]byte) (int, error) {
	n, _ := b.Conn.Write([]byte(strings.Repeat("\x07\xffSSH-2.0-nonsense \n", 8)))
	b.Conn.Close()
	return n, net.ErrClosed
}

// authority signs the certificates of a test's servers.
type authority struct {
	file string // its certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate for a name or address that ends after a while.
func (a *authority) issue(t *testing.T, name string, lasts time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts),
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// answers one request and keeps the connection, as servers do.
func httpServer(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	body, _ := io.ReadAll(req.Body)
	text := req.Method + " " + req.URL.String() + " " + req.Host + " " + string(body)
	status := "200 OK"
	switch req.URL.Path {
	case "/404":
		status = "404 Not Found"
	case "/auth":
		if req.Header.Get("Authorization") != "Basic dXNlcjpzZWNyZXQ=" {
			status = "401 Unauthorized"
		}
	case "/bearer":
		if req.Header.Get("Authorization") != "Bearer secret" {
			status = "401 Unauthorized"
		}
	case "/json":
		text = `{"status": {"db": ["ok", 3]}}`
	}
	io.WriteString(conn, "HTTP/1.1 "+status+"\r\nTransfer-Encoding: chunked\r\nX-Long: "+strings.Repeat("x", 100)+"\r\n\r\n")
	w := chunks{conn}
	io.WriteString(w, text[:len(text)/2])
	io.WriteString(w, text[len(text)/2:])
	io.WriteString(conn, "0\r\n\r\n")
	io.Copy(io.Discard, conn)
}

type chunks struct{ io.Writer }

func (c chunks) Write(b []byte) (int, error) {
	const hex = "0123456789abcdef"
	head := []byte{hex[len(b)>>8&15], hex[len(b)>>4&15], hex[len(b)&15], '\r', '\n'}
	return c.Writer.Write(append(append(head, b...), "\r\n"...))
}

func smtpServer(conn net.Conn) {
	io.WriteString(conn, "220 mail.example.org ESMTP\r\n")
	smtpTalk(conn, nil)
}

// smtpTalk answers commands, and goes on to TLS if there is a certificate.
func smtpTalk(conn net.Conn, cert *tls.Certificate) {
	in := bufio.NewScanner(conn)
	for in.Scan() {
		switch verb, _, _ := strings.Cut(in.Text(), " "); verb {
		case "EHLO":
			if cert == nil {
				io.WriteString(conn, "250-mail.example.org\r\n250 PIPELINING\r\n")
			} else {
				io.WriteString(conn, "250-mail.example.org\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
			}
		case "STARTTLS":
			io.WriteString(conn, "220 go on\r\n")
			smtpTalk(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}}), nil)
			return
		case "QUIT":
			io.WriteString(conn, "221 bye\r\n")
			return
		default:
			io.WriteString(conn, "502 what?\r\n")
		}
	}
}

func redisServer(conn net.Conn) {
	buf := make([]byte, 512)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		switch text := string(buf[:n]); {
		case strings.Contains(text, "AUTH\r\n$6\r\nsecret"):
			io.WriteString(conn, "+OK\r\n")
		case strings.Contains(text, "AUTH"):
			io.WriteString(conn, "-WRONGPASS invalid username-password pair\r\n")
		case strings.Contains(text, "PING"):
			io.WriteString(conn, "+PONG\r\n")
		default:
			io.WriteString(conn, "+OK\r\n")
			return
		}
	}
}

func mysqlServer(conn net.Conn) {
	greeting := "\x0a8.0.30-test\x00\x01\x00\x00\x00saltsalt\x00\xff\xf7\x2d\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00saltsaltsalt\x00mysql_native_password\x00"
	io.WriteString(conn, string([]byte{byte(len(greeting)), 0, 0, 0})+greeting)
	buf := make([]byte, 512)
	if n, err := conn.Read(buf); err != nil || n < 36 || buf[3] != 1 {
		return
	}
	io.WriteString(conn, "\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00")
	conn.Read(buf)
}

func postgresServer(conn net.Conn) {
	buf := make([]byte, 512)
	if n, err := conn.Read(buf); err != nil || n < 8 || buf[5] != 3 {
		return
	}
	io.WriteString(conn, "R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x0aa\x00b\x00\x00\x00Z\x00\x00\x00\x05I")
	conn.Read(buf)
}

func agentServer(conn net.Conn) { io.WriteString(conn, "up 75% # all is well\n") }

func dnsServer(conn net.Conn) {
	wire := &dns.Conn{Conn: conn}
	question, err := wire.ReadMsg()
	if err != nil {
		return
	}
	answer := new(dns.Msg)
	answer.SetReply(question)
	rr, err := dns.NewRR("www.example.org. 60 IN A 192.0.2.7")
	if err != nil {
		return
	}
	answer.Answer = []dns.RR{rr}
	wire.WriteMsg(answer)
	io.Copy(io.Discard, conn)
}

func talkServer(conn net.Conn) {
	buf := make([]byte, 64)
	n, _ := conn.Read(buf)
	io.WriteString(conn, "you said "+string(buf[:n])+"\n")
	io.Copy(io.Discard, conn)
}
