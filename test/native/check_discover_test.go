package native

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/director"
	"usher/director/discover"
	"usher/director/discover/dns"
	"usher/director/discover/engine"
	discoverhttp "usher/director/discover/http"
	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/test/lab/labtest"
)

// A pool of unbound's records and of a list that nginx serves: both change under way, both
// are killed, and what they said last stays.
func TestDiscoveryAgainstRealServers(t *testing.T) {
	t.Parallel()
	dir, web, name := openDir(t), freePort(t), freePort(t)
	write := func(file, text string) { // by a rename
		t.Helper()
		path := filepath.Join(dir, file)
		labtest.Must(t, os.WriteFile(path+".new", []byte(text), 0o644))
		labtest.Must(t, os.Rename(path+".new", path))
	}
	list := func(addrs ...string) {
		t.Helper()
		write("targets.json", fmt.Sprintf(`[{"targets": ["%s"]}]`, strings.Join(addrs, `", "`)))
	}
	zone := func(records ...string) {
		t.Helper()
		text := fmt.Sprintf("server:\n interface: 127.0.0.1@%d\n access-control: 127.0.0.0/8 allow\n username: \"\"\n chroot: \"\"\n directory: %q\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n local-zone: \"example.org.\" static\n", name, dir)
		for _, r := range records {
			text += fmt.Sprintf(" local-data: %q\n", r)
		}
		write("unbound.conf", text)
	}
	list("10.0.0.1:80", "10.0.0.2:80")
	zone("_web._tcp.example.org. 1 IN SRV 10 5 80 a.example.org.", "a.example.org. 1 IN A 10.1.0.1")
	write("nginx.conf", fmt.Sprintf("worker_processes 1; daemon off; pid %s/pid; error_log stderr;\nevents {}\nhttp {\n access_log off; client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;\n server { listen 127.0.0.1:%d; root %s; }\n}\n",
		dir, dir, dir, dir, dir, dir, web, dir))
	ready := at(healthcheck.TypeHTTP, web)
	ready.HTTP = &healthcheck.HTTP{Method: "GET", Paths: []string{"/targets.json"}, Version: "1.1", ExpectStatus: []healthcheck.StatusRange{{From: 200, To: 200}}}
	nginx := startServer(t, "", ready, "nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	known := at(healthcheck.TypeDNS, name)
	known.DNS = &healthcheck.DNS{Question: "a.example.org", Type: "A", Expect: []string{"10.1.0.1"}}
	unbound := startServer(t, "", known, "unbound", "-d", "-c", filepath.Join(dir, "unbound.conf"))

	source := discover.Source{Weight: 1, Interval: time.Second, MinInterval: 100 * time.Millisecond, Timeout: 30 * time.Second, MaxServers: 100, MaxLeave: 1}
	http, srv := source, source
	http.Kind, http.Name, http.HTTP = discover.KindHTTP, "http", &discover.HTTP{URL: fmt.Sprintf("http://127.0.0.1:%d/targets.json", web)}
	srv.Kind, srv.Name, srv.DNS = discover.KindDNS, "dns", &discover.DNS{Name: "_web._tcp.example.org", Type: "SRV", Servers: []netip.AddrPort{local(name)}}
	news := make(chan struct{}, 1)
	tell := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	e := engine.New(engine.Options{State: t.TempDir(), Changed: func(string) { tell() }, Events: func(discover.Event) { tell() }, Open: func(s discover.Source) engine.Reader {
		if s.Kind == discover.KindDNS {
			return dns.New(s)
		}
		return discoverhttp.New(s, func(_ context.Context, path string) ([]byte, error) { return os.ReadFile(path) })
	}})
	e.Apply([]discover.Config{{Sources: []discover.Source{http, srv}, Default: director.RealServer{Forward: director.NAT}, Server: director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))}, Forward: director.NAT, Quorum: 1,
		Service: ipvs.Service{Scheduler: "rr", Netmask: 32}, OnFailure: director.Remove, Discovered: true,
	}}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		cancel()
		labtest.Must(t, <-ended)
	}()
	await := func(what string, is func() bool) {
		t.Helper()
		limit := time.After(time.Minute)
		for !is() {
			select {
			case <-news:
			case <-limit:
				t.Fatalf("%s: there are %v, %+v", what, e.Servers("web"), e.Status())
			}
		}
	}
	serving := func(want ...string) {
		t.Helper()
		await(fmt.Sprint(want), func() bool {
			var have []string
			for _, s := range e.Servers("web") {
				have = append(have, fmt.Sprintf("%s %d", s.Address.Addr(), s.Weight))
			}
			return slices.Equal(have, want)
		})
	}
	serving("10.0.0.1 1", "10.0.0.2 1", "10.1.0.1 5")
	list("10.0.0.2:80", "10.0.0.3:80")
	serving("10.0.0.2 1", "10.0.0.3 1", "10.1.0.1 5")
	zone("_web._tcp.example.org. 1 IN SRV 10 7 80 a.example.org.", "_web._tcp.example.org. 1 IN SRV 20 1 80 b.example.org.", "a.example.org. 1 IN A 10.1.0.1", "b.example.org. 1 IN A 10.1.0.2")
	unbound.signal(syscall.SIGHUP)
	serving("10.0.0.2 1", "10.0.0.3 1", "10.1.0.1 7", "10.1.0.2 1")
	zone("a.example.org. 1 IN A 10.1.0.1") // the name is no more
	unbound.signal(syscall.SIGHUP)
	failing := func(i int, reason discover.Reason) {
		t.Helper()
		await(string(reason), func() bool { f := e.Status()[i].Failure; return f != nil && f.Reason == reason })
	}
	failing(1, discover.ReasonNXDomain)
	labtest.Must(t, os.Remove(filepath.Join(dir, "targets.json")))
	failing(0, discover.ReasonStatus)
	for _, s := range []*server{nginx, unbound} {
		s.signal(syscall.SIGKILL)
		<-s.done
	}
	failing(0, discover.ReasonUnreachable)
	failing(1, discover.ReasonUnreachable)
	serving("10.0.0.2 1", "10.0.0.3 1", "10.1.0.1 7", "10.1.0.2 1")
}
