package native

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"usher/healthcheck"
	"usher/test/lab/labtest"
)

// badCheck is a check that must fail, and the words that say why.
type badCheck struct {
	check healthcheck.Check
	words string
}

// realServer is a server of a kind from a Debian package, and what is asked of it.
type realServer struct {
	name  string
	start func(*testing.T) (*server, []healthcheck.Check, []badCheck)
}

// TestChecksAgainstRealServers: the good pass, the bad fail in words; behind a proxy
// that drips, cuts off or swallows the answers, and with the server stopped in its
// tracks, each fails within its timeout; and it passes again when the server goes on.
func TestChecksAgainstRealServers(t *testing.T) {
	t.Parallel()
	for _, k := range []realServer{
		{"nginx", nginxServer}, {"unbound", unboundServer}, {"redis", redisServer},
		{"postgres", postgresServer}, {"mariadb", mariadbServer}, {"opensmtpd", smtpServer}, {"aiosmtpd", startTLSServer}, {"grpc", grpcServer},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s, good, bad := k.start(t)
			for _, c := range good {
				wantResult(t, c, healthcheck.Pass, "")
			}
			for _, b := range bad {
				wantResult(t, b.check, healthcheck.Fail, b.words)
			}
			for _, c := range good {
				if c.Type == healthcheck.TypeUDP || c.Type == healthcheck.TypeDNS && !c.DNS.TCP {
					continue // not by connections
				}
				for _, fault := range []string{"dripping", "cut off", "silent"} {
					spoilt := faulty(t, c, fault)
					spoilt.Timeout = 400 * time.Millisecond
					if r := ask(t, spoilt); r.Outcome != healthcheck.Fail {
						t.Errorf("%s check, %s: %s %q", c.Type, fault, r.Outcome, r.Reason)
					}
				}
			}
			if s == nil {
				return
			}
			s.signal(syscall.SIGSTOP)
			for _, c := range good {
				c.Timeout = 300 * time.Millisecond
				wantResult(t, c, healthcheck.Fail, "no answer within 300 ms")
			}
			s.signal(syscall.SIGCONT)
			wantResult(t, good[0], healthcheck.Pass, "")
			s.stop()
			for _, c := range good {
				wantResult(t, c, healthcheck.Fail, "connection refused")
			}
		})
	}
}

// at is a check with a timeout that a busy machine keeps.
func at(kind healthcheck.Type, port uint16) healthcheck.Check {
	return healthcheck.Check{Type: kind, Address: local(port), Timeout: 30 * time.Second}
}

func nginxServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	dir, cert, key := openDir(t), "", ""
	cert, key = certificate(t, "www.example.org", time.Hour)
	plain, secure, proxied, old := freePort(t), freePort(t), freePort(t), freePort(t)
	conf := filepath.Join(dir, "nginx.conf")
	labtest.Must(t, os.WriteFile(conf, fmt.Appendf(nil, `
worker_processes 1; daemon off; pid %s/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;
    server {
        listen 127.0.0.1:%d;
        listen 127.0.0.1:%d ssl http2;
        listen 127.0.0.1:%d proxy_protocol;
        ssl_certificate %s; ssl_certificate_key %s;
        location / { return 200 "host $http_host over $server_protocol from $proxy_protocol_addr\n"; }
        location /json { return 200 '{"status":{"db":["ok",3]}}'; }
        location /missing { return 404; }
        location /moved { return 302 /json; }
        location /posted { set $told "$request_method $http_x_probe"; if ($told != "POST yes") { return 405; } return 200 "thank you\n"; }
        location /private { if ($http_authorization != "Basic cHJvYmU6c2VjcmV0") { return 401; } return 200; }
    }
    server {
        listen 127.0.0.1:%d ssl;
        ssl_protocols TLSv1.2;
        ssl_certificate %s; ssl_certificate_key %s;
        ssl_client_certificate %s; ssl_verify_client on;
        location / { return 200 "to $ssl_client_s_dn by $ssl_protocol\n"; }
    }
}`, dir, dir, dir, dir, dir, dir, plain, secure, proxied, cert, key, old, cert, key, cert), 0o600))
	http := func(kind healthcheck.Type, port uint16, h healthcheck.HTTP, tls *healthcheck.TLS) healthcheck.Check {
		c := at(kind, port)
		c.HTTP, c.TLS = &h, tls
		return c
	}
	talk := func(port uint16, tcp healthcheck.TCP, tls *healthcheck.TLS) healthcheck.Check {
		c := at(healthcheck.TypeTCP, port)
		tcp.Send = "GET / HTTP/1.0\r\n\r\n"
		c.TCP, c.TLS = &tcp, tls
		return c
	}
	trust := &healthcheck.TLS{CAFile: cert, ServerName: "www.example.org"}
	known := &healthcheck.TLS{CAFile: cert, ServerName: "www.example.org", CertFile: cert, KeyFile: key}
	s := startServer(t, "", at(healthcheck.TypeHTTP, plain), "nginx", "-c", conf)
	return s, []healthcheck.Check{
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Host: "a.example", ExpectBody: "host a.example over HTTP/1.1"}, nil),
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Version: "1.0", ExpectBody: "over HTTP/1.0"}, nil),
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Paths: []string{"/json", "/"}}, nil),
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Paths: []string{"/moved"}, FollowRedirects: true, ExpectBody: "status"}, nil),
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Paths: []string{"/private"}, Credential: secretFile(t, "secret")}, nil),
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Method: "HEAD"}, nil),
			http(healthcheck.TypeHTTP, proxied, healthcheck.HTTP{Proxy: 1, ExpectBody: "from 127.0.0.1"}, nil),
			http(healthcheck.TypeHTTP, proxied, healthcheck.HTTP{Proxy: 2, ExpectBody: "from 127.0.0.1"}, nil),
			http(healthcheck.TypeHTTPS, secure, healthcheck.HTTP{ExpectBody: "over HTTP/1.1"}, trust),
			http(healthcheck.TypeHTTPS, secure, healthcheck.HTTP{Version: "2", ExpectBody: "over HTTP/2.0"}, trust),
			http(healthcheck.TypeHTTPS, secure, healthcheck.HTTP{Paths: []string{"/json"},
				ExpectJSON: []healthcheck.JSONExpect{{Path: "status.db[1]", Value: "3"}}}, trust),
			http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Method: "POST", Paths: []string{"/posted"}, Body: "body", Headers: []healthcheck.Header{{Name: "X-Probe", Value: "yes"}},
				ExpectBodySHA256: "19a04fe0ad58b5f866f33719d402285565fd8e1b00095ecbe4f928de04ab8f52", ExpectBodyRegex: "^thank .ou"}, nil),
			http(healthcheck.TypeHTTPS, old, healthcheck.HTTP{ExpectBody: "to CN=www.example.org by TLSv1.2"}, known),
			http(healthcheck.TypeTLS, secure, healthcheck.HTTP{}, trust),
			talk(plain, healthcheck.TCP{Expect: "over HTTP/1.0"}, nil),
			talk(proxied, healthcheck.TCP{Proxy: 1, Expect: "from 127[.]0[.]0[.]1\n$", ExpectRegex: true}, nil),
			talk(proxied, healthcheck.TCP{Proxy: 2, Expect: "from 127.0.0.1"}, nil),
			talk(secure, healthcheck.TCP{TLS: true, Expect: "over HTTP/1.0"}, trust),
		}, []badCheck{
			{http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Paths: []string{"/missing"}}, nil), "GET /missing answered status 404, want 200-299"},
			{http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Paths: []string{"/moved"}}, nil), "status 302"},
			{http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{Paths: []string{"/private"}, Credential: secretFile(t, "wrong")}, nil), "status 401"},
			{http(healthcheck.TypeHTTP, secure, healthcheck.HTTP{}, nil), "status 400"},
			{http(healthcheck.TypeHTTPS, plain, healthcheck.HTTP{}, trust), "does not speak TLS"},
			{http(healthcheck.TypeHTTPS, secure, healthcheck.HTTP{}, &healthcheck.TLS{CAFile: cert}), "the certificate is for another name"},
			{http(healthcheck.TypeTLS, secure, healthcheck.HTTP{}, &healthcheck.TLS{ServerName: "www.example.org"}), "unknown authority"},
			{http(healthcheck.TypeTLS, old, healthcheck.HTTP{}, &healthcheck.TLS{CAFile: cert, ServerName: "www.example.org", MinVersion: "1.3"}), "protocol version not supported"},
			{http(healthcheck.TypeHTTPS, old, healthcheck.HTTP{}, trust), "status 400"}, // no certificate of ours
			{http(healthcheck.TypeHTTP, plain, healthcheck.HTTP{ExpectBodySHA256: strings.Repeat("0", 64)}, nil), "has SHA-256"},
			{http(healthcheck.TypeHTTPS, secure, healthcheck.HTTP{Paths: []string{"/json"}, ExpectJSON: []healthcheck.JSONExpect{{Path: "status.db[0]", Value: "no"}}}, trust), `is "ok"`},
			{talk(plain, healthcheck.TCP{Expect: "another"}, nil), `does not hold "another"`},
			{talk(secure, healthcheck.TCP{TLS: true, Expect: "over"}, &healthcheck.TLS{CAFile: cert}), "the certificate is for another name"},
			{talk(proxied, healthcheck.TCP{Expect: "over"}, nil), "the server"}, // closes, or resets
		}
}

func unboundServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	dir, port := openDir(t), freePort(t)
	conf := filepath.Join(dir, "unbound.conf")
	labtest.Must(t, os.WriteFile(conf, fmt.Appendf(nil, `
server:
    interface: 127.0.0.1@%d
    access-control: 127.0.0.0/8 allow
    username: ""
    chroot: ""
    directory: %q
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    local-zone: "example.org." static
    local-data: "www.example.org. A 192.0.2.7"
    local-data: "www.example.org. AAAA 2001:db8::7"
`, port, dir), 0o600))
	dns := func(d healthcheck.DNS) healthcheck.Check {
		c := at(healthcheck.TypeDNS, port)
		c.DNS = &d
		return c
	}
	// The same question by hand: an answer with one record, whatever its flags.
	udp := at(healthcheck.TypeUDP, port)
	udp.UDP = &healthcheck.UDP{
		Payload: []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01"),
		Expect:  []byte("\x12\x34\x80\x00\x00\x01\x00\x01"), Mask: []byte("\xff\xff\x80\x0f\xff\xff\xff\xff"), RequireReply: true,
	}
	none := udp
	none.UDP = &healthcheck.UDP{Payload: udp.UDP.Payload, Expect: []byte("\x12\x34\x80\x00\x00\x01\x00\x02"), Mask: udp.UDP.Mask, RequireReply: true}
	good := []healthcheck.Check{
		dns(healthcheck.DNS{Question: "www.example.org", Type: "A", Expect: []string{"192.0.2.7"}}),
		dns(healthcheck.DNS{Question: "www.example.org", Type: "AAAA", TCP: true, Expect: []string{"2001:db8::7"}}),
		dns(healthcheck.DNS{Question: "nobody.example.org", Type: "A", RCode: "NXDOMAIN"}),
		udp,
	}
	return startServer(t, "", good[0], "unbound", "-d", "-c", conf), good, []badCheck{
		{dns(healthcheck.DNS{Question: "www.example.org", Type: "A", Expect: []string{"192.0.2.8"}}), `does not hold "192.0.2.8"; it holds ["192.0.2.7"]`},
		{dns(healthcheck.DNS{Question: "nobody.example.org", Type: "A"}), "is NXDOMAIN, want NOERROR"},
		{dns(healthcheck.DNS{Question: "nobody.example.org", Type: "A", TCP: true}), "is NXDOMAIN, want NOERROR"},
		{none, "byte 7 of the reply is 01, want 02"},
	}
}

func redisServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	dir, port := openDir(t), freePort(t)
	redis := func(d healthcheck.Database) healthcheck.Check {
		c := at(healthcheck.TypeRedis, port)
		c.Database = &d
		return c
	}
	good := redis(healthcheck.Database{Password: secretFile(t, "secret"), Database: "3"})
	s := startServer(t, "", good, "redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--requirepass", "secret")
	return s, []healthcheck.Check{good, redis(healthcheck.Database{User: "default", Password: secretFile(t, "secret")})}, []badCheck{
		{redis(healthcheck.Database{}), "wants a password: give password_file"},
		{redis(healthcheck.Database{Password: secretFile(t, "wrong")}), "the server refuses AUTH"},
		{redis(healthcheck.Database{Password: secretFile(t, "secret"), Database: "99"}), "the server refuses SELECT"},
	}
}

func postgresServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	dir, port := openDir(t), freePort(t)
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	labtest.Must(t, err)
	if len(bins) == 0 {
		t.Fatal("PostgreSQL is not installed")
	}
	bin := bins[len(bins)-1]
	password := filepath.Join(dir, "password")
	labtest.Must(t, os.WriteFile(password, []byte("secret\n"), 0o644))
	data := filepath.Join(dir, "data")
	labtest.Must(t, os.Chmod(dir, 0o777))
	out, err := exec.Command("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", filepath.Join(bin, "initdb"),
		"-D", data, "-A", "scram-sha-256", "-U", "probe", "--pwfile", password, "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	postgres := func(d healthcheck.Database) healthcheck.Check {
		c := at(healthcheck.TypePostgres, port)
		c.Database = &d
		return c
	}
	good := postgres(healthcheck.Database{User: "probe", Database: "postgres", Password: secretFile(t, "secret")})
	s := startServer(t, "postgres", good, filepath.Join(bin, "postgres"), "-D", data, "-p", fmt.Sprint(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir, "-c", "fsync=off")
	return s, []healthcheck.Check{good, postgres(healthcheck.Database{}), postgres(healthcheck.Database{User: "probe"})}, []badCheck{
		{postgres(healthcheck.Database{User: "probe", Password: secretFile(t, "wrong")}), "password authentication failed"},
		{postgres(healthcheck.Database{User: "probe", Database: "nosuch", Password: secretFile(t, "secret")}), `database \"nosuch\" does not exist`},
	}
}

func mariadbServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	dir, port := openDir(t), freePort(t)
	data := filepath.Join(dir, "data")
	out, err := exec.Command("mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+data, "--skip-test-db", "--auth-root-authentication-method=normal").CombinedOutput()
	if err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	first := filepath.Join(dir, "first.sql")
	labtest.Must(t, os.WriteFile(first, []byte("CREATE OR REPLACE USER 'probe'@'%' IDENTIFIED BY 'secret';\n"), 0o644))
	mysql := func(d healthcheck.Database) healthcheck.Check {
		c := at(healthcheck.TypeMySQL, port)
		c.Database = &d
		return c
	}
	good := mysql(healthcheck.Database{User: "probe", Password: secretFile(t, "secret")})
	s := startServer(t, "", good, "mariadbd", "--no-defaults", "--user=root", "--datadir="+data, "--port="+fmt.Sprint(port), "--bind-address=127.0.0.1",
		"--socket="+filepath.Join(dir, "sock"), "--pid-file="+filepath.Join(dir, "pid"), "--init-file="+first, "--innodb-buffer-pool-size=8M", "--skip-name-resolve")
	return s, []healthcheck.Check{good, mysql(healthcheck.Database{})}, []badCheck{
		{mysql(healthcheck.Database{User: "probe", Password: secretFile(t, "wrong")}), "error 1045"},
		{mysql(healthcheck.Database{User: "probe", Database: "nosuch", Password: secretFile(t, "secret")}), "error 10"},
	}
}

// grpcServer is the standard health server of grpc-go, in this process: it cannot be
// stopped in its tracks.
func grpcServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	labtest.Must(t, err)
	state := health.NewServer()
	state.SetServingStatus("well", grpc_health_v1.HealthCheckResponse_SERVING)
	state.SetServingStatus("sick", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, state)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		labtest.Must(t, <-done)
	})
	ask := func(service string) healthcheck.Check {
		c := at(healthcheck.TypeGRPC, uint16(l.Addr().(*net.TCPAddr).Port))
		c.GRPC = &healthcheck.GRPC{Service: service}
		return c
	}
	return nil, []healthcheck.Check{ask(""), ask("well")}, []badCheck{
		{ask("sick"), `the service "sick" is NOT_SERVING`},
		{ask("nobody"), `the server does not know the service "nobody"`},
	}
}
