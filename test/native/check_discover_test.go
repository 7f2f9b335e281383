package native

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/director/discover"
	"usher/healthcheck"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A pool of unbound's records and of a list that nginx serves: both change under way, both
// are killed, and what they said last stays.
func TestDiscoveryAgainstRealServers(t *testing.T) {
	t.Parallel()
	l := newDiscoverLab(t)
	list := func(addrs ...string) {
		t.Helper()
		l.write("targets.json", fmt.Sprintf(`[{"targets": ["%s"]}]`, strings.Join(addrs, `", "`)))
	}
	list("10.0.0.1:80", "10.0.0.2:80")
	l.zone("_web._tcp.example.org. 1 IN SRV 10 5 80 a.example.org.", "a.example.org. 1 IN A 10.1.0.1")
	ready := at(healthcheck.TypeHTTP, l.web)
	ready.HTTP = &healthcheck.HTTP{Method: "GET", Paths: []string{"/targets.json"}, Version: "1.1", ExpectStatus: []healthcheck.StatusRange{{From: 200, To: 200}}}
	nginx, unbound := l.nginx("access_log off;", fmt.Sprintf("listen 127.0.0.1:%d;", l.web), ready), l.unbound()

	http, srv := source(discover.KindHTTP, 30*time.Second), source(discover.KindDNS, 30*time.Second)
	http.HTTP = &discover.HTTP{URL: fmt.Sprintf("http://127.0.0.1:%d/targets.json", l.web)}
	srv.DNS = &discover.DNS{Name: "_web._tcp.example.org", Type: "SRV", Servers: []netip.AddrPort{local(l.name)}}
	l.follow(netip.Addr{}, http, srv)
	l.serving("10.0.0.1 1", "10.0.0.2 1", "10.1.0.1 5")
	list("10.0.0.2:80", "10.0.0.3:80")
	l.serving("10.0.0.2 1", "10.0.0.3 1", "10.1.0.1 5")
	l.zone("_web._tcp.example.org. 1 IN SRV 10 7 80 a.example.org.", "_web._tcp.example.org. 1 IN SRV 20 1 80 b.example.org.", "a.example.org. 1 IN A 10.1.0.1", "b.example.org. 1 IN A 10.1.0.2")
	unbound.signal(syscall.SIGHUP)
	l.serving("10.0.0.2 1", "10.0.0.3 1", "10.1.0.1 7", "10.1.0.2 1")
	l.zone("a.example.org. 1 IN A 10.1.0.1") // the name is no more
	unbound.signal(syscall.SIGHUP)
	l.failing(1, discover.ReasonNXDomain)
	labtest.Must(t, os.Remove(filepath.Join(l.dir, "targets.json")))
	l.failing(0, discover.ReasonStatus)
	for _, s := range []*server{nginx, unbound} {
		s.signal(syscall.SIGKILL)
		<-s.done
	}
	l.failing(0, discover.ReasonUnreachable)
	l.failing(1, discover.ReasonUnreachable)
	l.serving("10.0.0.2 1", "10.0.0.3 1", "10.1.0.1 7", "10.1.0.2 1")
}

// A list that nginx gives by TLS to who has a certificate and a token, and but once while
// it stays the same; both are exchanged under way. Then one of ten thousand servers.
func TestDiscoveryByHTTPS(t *testing.T) {
	t.Parallel()
	l := newDiscoverLab(t)
	const name = "cmdb.example.org"
	cert, key := certificate(t, name, time.Hour)
	stranger, strangerKey := certificate(t, name, time.Hour)
	long := time.Now().Add(-time.Hour) // a list that has just changed is asked for whole
	list := func(file string, addrs ...string) {
		t.Helper()
		l.write(file, fmt.Sprintf(`[{"targets": ["%s"]}]`, strings.Join(addrs, `", "`)))
		long = long.Add(time.Minute)
		labtest.Must(t, os.Chtimes(filepath.Join(l.dir, file), long, long))
	}
	list("targets.json", "10.0.0.1:80")
	token := writeTemp(t, "token", []byte("sesame\n"))
	copied := func(cert, key string) (string, string) {
		c, err := os.ReadFile(cert)
		labtest.Must(t, err)
		k, err := os.ReadFile(key)
		labtest.Must(t, err)
		return writeTemp(t, "client.pem", c), writeTemp(t, "client.key", k)
	}
	mine, mineKey := copied(cert, key)
	l.nginx(fmt.Sprintf(`log_format asked "$status $http_if_none_match"; access_log %s/asked asked;`, l.dir),
		fmt.Sprintf(`listen 127.0.0.1:%d ssl; ssl_certificate %[2]s; ssl_certificate_key %[3]s; ssl_client_certificate %[2]s; ssl_verify_client on;
 location / { if ($http_authorization != "Bearer sesame") { return 401; } }`, l.web, cert, key), at(healthcheck.TypeTCP, l.web))

	s := source(discover.KindHTTP, 30*time.Second)
	s.HTTP = &discover.HTTP{URL: fmt.Sprintf("https://127.0.0.1:%d/targets.json", l.web), ServerName: name, CAFile: cert, CertFile: mine, KeyFile: mineKey, TokenFile: token}
	r := openSource(s)
	defer r.Close()
	ask := func(what string, reason discover.Reason, want ...string) {
		t.Helper()
		a := r.Read(t.Context())
		var got []string
		for _, e := range a.Entries {
			got = append(got, e.Address.String())
		}
		if f := a.Failure; (f == nil) != (reason == "") || f != nil && f.Reason != reason || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v %+v, expected %v %q", what, got, f, want, reason)
		}
	}
	put := func(path, from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		labtest.Must(t, err)
		labtest.Must(t, os.WriteFile(path, text, 0o600))
	}
	ask("the first time", "", "10.0.0.1:80")
	ask("unchanged", "", "10.0.0.1:80")
	list("targets.json", "10.0.0.1:80", "10.0.0.2:80")
	ask("changed", "", "10.0.0.1:80", "10.0.0.2:80")
	labtest.Must(t, os.WriteFile(token, []byte("another"), 0o600))
	ask("with another token", discover.ReasonStatus)
	labtest.Must(t, os.WriteFile(token, []byte("sesame"), 0o600))
	ask("with the token again", "", "10.0.0.1:80", "10.0.0.2:80")
	put(mine, stranger)
	put(mineKey, strangerKey)
	ask("with a certificate that nobody trusts", discover.ReasonStatus) // nginx says it in HTTP
	put(mine, cert)
	put(mineKey, key)
	ask("with the certificate again", "", "10.0.0.1:80", "10.0.0.2:80")
	labtest.Must(t, lab.Until(t.Context(), "nginx has written what it was asked", func() error {
		asked, err := os.ReadFile(filepath.Join(l.dir, "asked"))
		var statuses []string
		for line := range strings.Lines(string(asked)) {
			status, tag, _ := strings.Cut(strings.TrimSpace(line), " ")
			if tag != "-" {
				status += " with ETag"
			}
			statuses = append(statuses, status)
		}
		if want := "[200 304 with ETag 200 with ETag 401 with ETag 304 with ETag 400 with ETag 304 with ETag]"; err == nil && fmt.Sprint(statuses) != want {
			return fmt.Errorf("it was asked %v, expected %s", statuses, want)
		}
		return err
	}))
	for what, change := range map[string]func(*discover.HTTP){
		"another authority": func(h *discover.HTTP) { h.CAFile = stranger },
		"another name":      func(h *discover.HTTP) { h.ServerName = "www.example.org" },
	} {
		other, h := s, *s.HTTP
		other.HTTP = &h
		change(&h)
		one := openSource(other)
		if a := one.Read(t.Context()); a.Failure == nil || a.Failure.Reason != discover.ReasonTLS {
			t.Errorf("%s: %+v", what, a)
		}
		one.Close()
	}

	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("10.7.%d.%d:80", i>>8, i&255))
	}
	list("many.json", many...)
	s.HTTP.URL, s.MaxServers = strings.Replace(s.HTTP.URL, "targets", "many", 1), len(many)
	l.follow(netip.Addr{}, s)
	l.await("10,000 servers", func() bool { return len(l.engine.Servers("web")) == len(many) })
	list("many.json", append(many, "10.8.0.1:80")...)
	l.failing(0, discover.ReasonTooMany)
	if n := len(l.engine.Servers("web")); n != len(many) {
		t.Errorf("one too many is listed, and %d servers are left", n)
	}
}
