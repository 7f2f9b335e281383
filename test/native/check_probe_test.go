package native

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe"
	"usher/test/lab/labtest"
)

// ask carries out one probe, again where this machine was too busy to tell.
func ask(t *testing.T, c healthcheck.Check) healthcheck.Result {
	t.Helper()
	r := askOnce(t, c)
	for range 20 {
		if r.Outcome != healthcheck.Inconclusive {
			break
		}
		r = askOnce(t, c)
	}
	return r
}

func askOnce(t *testing.T, c healthcheck.Check) healthcheck.Result {
	t.Helper()
	p := probe.New(probe.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	results := make(chan healthcheck.Result, 1)
	begun := time.Now()
	p.Start(ctx, []healthcheck.Job{{ID: 1, Check: &c, Report: func(r healthcheck.Result) { results <- r }}})
	r := <-results
	if took := time.Since(begun); took > c.Timeout+10*time.Second {
		t.Errorf("%s: the probe took %s, its timeout is %s", c.Type, took, c.Timeout)
	}
	cancel()
	labtest.Must(t, <-ended)
	return r
}

func wantResult(t *testing.T, c healthcheck.Check, outcome healthcheck.Outcome, words string) {
	t.Helper()
	if r := ask(t, c); r.Outcome != outcome || !strings.Contains(r.Reason, words) {
		t.Errorf("%s check: %s %q, want %s with %q", c.Type, r.Outcome, r.Reason, outcome, words)
	}
}

// ports are those that freePort gave away: no two tests, which run side by side, get
// the same one.
var ports sync.Map

// freePort is a TCP and UDP port of 127.0.0.1 that nobody uses.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		labtest.Must(t, err)
		port := uint16(l.Addr().(*net.TCPAddr).Port)
		labtest.Must(t, l.Close())
		if _, taken := ports.LoadOrStore(port, true); !taken {
			return port
		}
	}
}

func local(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// server is somebody else's program, run by the test.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	log  string
}

// startServer runs a program and awaits that a check of it passes.
func startServer(t *testing.T, user string, ready healthcheck.Check, args ...string) *server {
	t.Helper()
	s := &server{t: t, cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{}), log: filepath.Join(t.TempDir(), "log")}
	out, err := os.Create(s.log)
	labtest.Must(t, err)
	defer out.Close()
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if user != "" {
		s.cmd.Args = append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups"}, args...)
		path, err := exec.LookPath("setpriv")
		labtest.Must(t, err)
		s.cmd.Path, s.cmd.Err = path, nil
	}
	labtest.Must(t, s.cmd.Start())
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(s.stop)
	limit := time.After(time.Minute)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		r := ask(t, ready)
		if r.Outcome == healthcheck.Pass {
			return s
		}
		select {
		case <-ticker.C:
		case <-s.done:
			t.Fatalf("%s ended: %s", args[0], s.tail())
		case <-limit:
			t.Fatalf("%s is not ready after a minute: %s\n%s", args[0], r.Reason, s.tail())
		}
	}
}

func (s *server) tail() string {
	text, _ := os.ReadFile(s.log)
	return string(text[max(0, len(text)-3000):])
}

func (s *server) signal(sig syscall.Signal) { syscall.Kill(-s.cmd.Process.Pid, sig) }

func (s *server) stop() {
	s.signal(syscall.SIGCONT)
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		s.signal(syscall.SIGKILL)
		<-s.done
	}
}

// faulty stands between a check and a real server and spoils the answers: it drips
// them, cuts them off or swallows them.
func faulty(t *testing.T, c healthcheck.Check, fault string) healthcheck.Check {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	labtest.Must(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	to := c.Address.String()
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { between(client, to, fault) })
		}
	})
	c.Address = netip.MustParseAddrPort(l.Addr().String())
	return c
}

func between(client net.Conn, to, fault string) {
	defer client.Close()
	real, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer real.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		io.Copy(real, client)
		real.Close()
	})
	b := make([]byte, 4096)
	for {
		n, err := real.Read(b)
		if err != nil {
			return
		}
		switch fault {
		case "cut off":
			client.Write(b[:n/2])
			client.Close()
			return
		case "dripping":
			if drip(client, b[:n]) != nil {
				return
			}
		}
	}
}

func drip(w io.Writer, b []byte) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for i := range b {
		if _, err := w.Write(b[i : i+1]); err != nil {
			return err
		}
		<-ticker.C
	}
	return nil
}

// certificate writes a certificate that signs itself, and its key.
func certificate(t *testing.T, name string, lasts time.Duration) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	labtest.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	labtest.Must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	labtest.Must(t, err)
	cert, key = writeTemp(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		writeTemp(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return cert, key
}

// writeTemp writes a file that the test's servers can read.
func writeTemp(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(openDir(t), name)
	labtest.Must(t, os.WriteFile(path, content, 0o600))
	return path
}

// openDir is a temporary folder that users other than root can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-check-")
	labtest.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	labtest.Must(t, os.Chmod(dir, 0o755))
	return dir
}

func secretFile(t *testing.T, text string) *healthcheck.Credential {
	t.Helper()
	return &healthcheck.Credential{Scheme: "basic", User: "probe", File: writeTemp(t, "secret", fmt.Appendln(nil, text))}
}
