package native

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// discoverLab is a pool of what real servers of DNS and HTTP list.
type discoverLab struct {
	t       *testing.T
	dir     string // of the servers' files
	web     uint16 // nginx
	name    uint16 // unbound
	engine  *engine.Engine
	news    chan struct{} // something happened
	mu      sync.Mutex
	seen    map[netip.Addr]bool // servers that the pool ever had
	without []string            // sets that lacked the server that always stays
}

func newDiscoverLab(t *testing.T) *discoverLab {
	return &discoverLab{t: t, dir: openDir(t), web: freePort(t), name: freePort(t), news: make(chan struct{}, 1), seen: map[netip.Addr]bool{}}
}

// write replaces a file by a rename.
func (l *discoverLab) write(file, text string) {
	l.t.Helper()
	path := filepath.Join(l.dir, file)
	labtest.Must(l.t, os.WriteFile(path+".new", []byte(text), 0o644))
	labtest.Must(l.t, os.Rename(path+".new", path))
}

// zone writes unbound's configuration with records of example.org.
func (l *discoverLab) zone(records ...string) {
	l.t.Helper()
	text := fmt.Sprintf("server:\n interface: 127.0.0.1@%d\n access-control: 127.0.0.0/8 allow\n username: \"\"\n chroot: \"\"\n directory: %q\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n local-zone: \"example.org.\" static\n", l.name, l.dir)
	for _, r := range append(records, "ready.example.org. 1 IN A 10.9.9.9") {
		text += fmt.Sprintf(" local-data: %q\n", r)
	}
	l.write("unbound.conf", text)
}

// unbound starts it with the zone that was written last.
func (l *discoverLab) unbound() *server {
	l.t.Helper()
	ready := at(healthcheck.TypeDNS, l.name)
	ready.DNS = &healthcheck.DNS{Question: "ready.example.org", Type: "A", Expect: []string{"10.9.9.9"}}
	return startServer(l.t, "", ready, "unbound", "-d", "-c", filepath.Join(l.dir, "unbound.conf"))
}

// nginx starts it with one server, of which inside is said, and http of all.
func (l *discoverLab) nginx(http, inside string, ready healthcheck.Check) *server {
	l.t.Helper()
	l.write("nginx.conf", fmt.Sprintf("worker_processes 1; daemon off; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp {\n client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;\n %[2]s\n server { root %[1]s; %[3]s }\n}\n",
		l.dir, http, inside))
	return startServer(l.t, "", ready, "nginx", "-p", l.dir, "-c", filepath.Join(l.dir, "nginx.conf"), "-e", "stderr")
}

// follow has a pool follow sources, until the test ends. stays is a server that it may
// never be without, once it has it; the zero address for none.
func (l *discoverLab) follow(stays netip.Addr, sources ...discover.Source) {
	l.t.Helper()
	tell := func() {
		select {
		case l.news <- struct{}{}:
		default:
		}
	}
	changed := func(name string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		there := false
		for _, s := range l.engine.Servers(name) {
			l.seen[s.Address.Addr()] = true
			there = there || s.Address.Addr() == stays
		}
		if l.seen[stays] && !there {
			l.without = append(l.without, fmt.Sprint(l.engine.Servers(name)))
		}
		tell()
	}
	l.engine = engine.New(engine.Options{State: l.t.TempDir(), Changed: changed, Events: func(discover.Event) { tell() }, Open: openSource})
	l.engine.Apply([]discover.Config{{Sources: sources, Default: director.RealServer{Forward: director.NAT}, Server: director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))}, Forward: director.NAT, Quorum: 1,
		Service: ipvs.Service{Scheduler: "rr", Netmask: 32}, OnFailure: director.Remove, Discovered: true,
	}}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.engine.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		labtest.Must(l.t, <-ended)
	})
}

func openSource(s discover.Source) engine.Reader {
	if s.Kind == discover.KindDNS {
		return dns.New(s, nil)
	}
	return discoverhttp.New(s, func(_ context.Context, path string) ([]byte, error) { return os.ReadFile(path) })
}

// source is one with short times.
func source(kind discover.Kind, timeout time.Duration) discover.Source {
	return discover.Source{Kind: kind, Name: string(kind), Weight: 1, Interval: time.Second, MinInterval: 100 * time.Millisecond, Timeout: timeout, MaxServers: 100, MaxLeave: 1}
}

func (l *discoverLab) await(what string, is func() bool) {
	l.t.Helper()
	limit := time.After(3 * time.Minute)
	for !is() {
		select {
		case <-l.news:
		case <-limit:
			l.t.Fatalf("%s: there are %v, %+v", what, l.servers(), l.engine.Status())
		}
	}
}

// servers are the first of the pool, each with its weight, and how many more there are.
func (l *discoverLab) servers() (all []string) {
	const most = 20
	have := l.engine.Servers("web")
	for _, s := range have[:min(len(have), most)] {
		all = append(all, fmt.Sprintf("%s %d", s.Address.Addr(), s.Weight))
	}
	if more := len(have) - most; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return all
}

// serving waits until the pool has some servers.
func (l *discoverLab) serving(want ...string) {
	l.t.Helper()
	l.await(fmt.Sprint(want), func() bool { return slices.Equal(l.servers(), want) })
}

// failing waits until a source fails for a reason.
func (l *discoverLab) failing(i int, reason discover.Reason) {
	l.t.Helper()
	l.await(string(reason), func() bool { f := l.engine.Status()[i].Failure; return f != nil && f.Reason == reason })
}
