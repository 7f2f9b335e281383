package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate that signs itself, with its key, as NAME.pem and
// NAME.key.
func certify(t *testing.T, dir, name string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}, IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: cert}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// port is one of 127.0.0.1 that nobody has.
func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestRenewedCertificates: a reload reads the certificates of remote steering again,
// those of the same name and others, and changes nothing where they cannot be used.
func TestRenewedCertificates(t *testing.T) {
	f := newFixture(t)
	listen := fmt.Sprintf("127.0.0.1:%d", port(t))
	configure := func(name string) {
		f.write(f.global(fmt.Sprintf("  remote {\n    listen = %q\n    cert_file = \"%[2]s/%[3]s.pem\"\n    key_file = \"%[2]s/%[3]s.key\"\n    client_ca_file = \"%[2]s/client.pem\"\n  }\n", listen, f.dir, name)) +
			instanceOn("eth0") + pool("web"))
	}
	// serial is that of the certificate that the server shows, and whether who has
	// this client certificate is let in.
	serial := func(client string) (int64, bool) {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, client+".pem"), filepath.Join(f.dir, client+".key"))
		if err != nil {
			t.Fatal(err)
		}
		var shown int64
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true,
			VerifyConnection: func(s tls.ConnectionState) error {
				shown = s.PeerCertificates[0].SerialNumber.Int64()
				return nil
			}}}
		resp, err := (&http.Client{Transport: transport}).Get("https://" + listen + "/livez")
		if err != nil {
			return shown, false
		}
		resp.Body.Close()
		return shown, resp.StatusCode == http.StatusOK
	}
	expect := func(when string, client string, want int64, in bool) {
		t.Helper()
		if got, ok := serial(client); got != want || ok != in {
			t.Errorf("%s: certificate %d is shown and the client let in: %t; want %d, %t", when, got, ok, want, in)
		}
	}
	certify(t, f.dir, "server", 1)
	certify(t, f.dir, "client", 101)
	certify(t, f.dir, "stranger", 102)
	configure("server")
	d, _ := f.start()
	expect("at the start", "client", 1, true)
	expect("at the start", "stranger", 1, false)

	certify(t, f.dir, "server", 2)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("renewed", "client", 2, true)

	certify(t, f.dir, "other", 3)
	configure("other")
	if err := os.Rename(filepath.Join(f.dir, "stranger.pem"), filepath.Join(f.dir, "client.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(f.dir, "stranger.key"), filepath.Join(f.dir, "client.key")); err != nil {
		t.Fatal(err)
	}
	certify(t, f.dir, "stranger", 104)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("with others", "client", 3, true)
	expect("with others", "stranger", 3, false)

	if err := os.WriteFile(filepath.Join(f.dir, "other.pem"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a reload with a broken certificate: %v", err)
	}
	expect("after a broken one", "client", 3, true)
}

// TestPageMoves to an address that the one before is a part of, and back; where
// another process keeps it from there, it stays.
func TestPageMoves(t *testing.T) {
	f := newFixture(t)
	n := port(t)
	page := func(host string) {
		f.write(strings.Replace(f.both("eth0", "web"), `http = ""`, fmt.Sprintf(`http = "%s:%d"`, host, n), 1))
	}
	answers := func(host string) bool {
		t.Helper()
		resp, err := http.Get(fmt.Sprintf("http://%s:%d/livez", host, n))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	page("127.0.0.1")
	d, _ := f.start()
	for _, c := range []struct {
		host string
		wide bool
	}{{"0.0.0.0", true}, {"127.0.0.1", false}} {
		page(c.host)
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !answers("127.0.0.1") || answers("127.0.0.2") != c.wide {
			t.Errorf("on %s it answers at 127.0.0.1: %t, at 127.0.0.2: %t", c.host, answers("127.0.0.1"), answers("127.0.0.2"))
		}
	}
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.3:%d", n))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	page("0.0.0.0")
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use; nothing was changed") {
		t.Errorf("reload: %v", err)
	}
	if !answers("127.0.0.1") {
		t.Error("the page is gone")
	}
}

// TestListenersGoBack: where the director refuses a configuration, the page is where the
// one before has it, and the same address can be asked for again.
func TestListenersGoBack(t *testing.T) {
	f := newFixture(t)
	before, after := port(t), port(t)
	configure := func(port int) {
		f.write(strings.Replace(f.both("eth0", "web"), `http = ""`, fmt.Sprintf("http = \"127.0.0.1:%d\"", port), 1))
	}
	answers := func(port int) bool {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/livez", port))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	}
	configure(before)
	d, _ := f.start()
	f.world.mu.Lock()
	f.world.refuse = errors.New("no such scheduler")
	f.world.mu.Unlock()
	configure(after)
	if err := d.Reload(t.Context()); err == nil {
		t.Fatal("it was not refused")
	}
	if !answers(before) || answers(after) {
		t.Errorf("the page answers at the address before: %t, at the refused one: %t", answers(before), answers(after))
	}
	if err := d.Reload(t.Context()); err != nil || answers(before) || !answers(after) {
		t.Errorf("once more: %v; the page answers at the address before: %t, at the new one: %t", err, answers(before), answers(after))
	}
}
