package healthcheck_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/healthcheck"
)

func TestValidate(t *testing.T) {
	type check = healthcheck.Check
	for _, c := range []struct {
		kind healthcheck.Type
		edit func(*check)
		want string // the whole message; "" for none
	}{
		{"tcp", func(*check) {}, ""},
		{"tcp", func(c *check) { c.Type = "tpc" }, `there is no check of type "tpc"; see the reference for those there are`},
		{"tcp", func(c *check) { c.Interval = 0 }, `interval: 0s is not between 10ms and 24h0m0s; give one, as "2s"`},
		{"tcp", func(c *check) { c.Timeout = 2 * time.Hour }, `timeout: 2h0m0s is not between 1ms and 1h0m0s; give one, as "1s"`},
		{"tcp", func(c *check) { c.FastInterval = time.Minute }, `fast_interval: 1m0s is not between 10ms and the interval of 2s; make it shorter than interval, or leave it out`},
		{"tcp", func(c *check) { c.Rise = 0 }, `rise: 0 successes cannot bring a server up; give at least 1`},
		{"tcp", func(c *check) { c.Fall = -1 }, `fall: -1 failures cannot take a server down; give at least 1`},
		{"tcp", func(c *check) { c.Slow = time.Minute }, `slow: 1m0s is not between 0 and the timeout of 1s; make it shorter than timeout, or leave it out`},
		{"tcp", func(c *check) { c.SlowWeight = 101 }, `slow_weight: 101 is not a percentage; give 0 to 100`},
		{"tcp", func(c *check) { c.Jitter = -1 }, `jitter: -1ns is no jitter; give one, as "200ms", or leave it out`},
		{"tcp", func(c *check) { c.Address = netip.AddrPortFrom(c.Address.Addr(), 0) }, `port: there is no port to probe; give the port of the probe`},
		{"tcp", func(c *check) { c.Address = netip.MustParseAddrPort("224.0.0.1:80") }, `address: 224.0.0.1 cannot be probed; give a server's own address`},
		{"tcp", func(c *check) { c.Bind = netip.MustParseAddrPort("[::1]:0") }, `bind_address: ::1 cannot be the source of a probe to 10.0.0.1; give one of the same family`},
		{"tcp", func(c *check) { c.Interface = "averylongnameofaninterface" }, `interface: "averylongnameofaninterface" is longer than a name of an interface can be; give the name of an interface`},
		{"tcp", func(c *check) { c.TCP = &healthcheck.TCP{Proxy: 3} }, `proxy_protocol: there is no version 3; give 1 or 2, or 0 for none`},
		{"tcp", func(c *check) { c.TCP = &healthcheck.TCP{ExpectRegex: true, Expect: "("} }, "expect_regex: error parsing regexp: missing closing ): `(`; mend the expression (syntax RE2)"},
		{"tcp", func(c *check) { c.TLS = &healthcheck.TLS{MinVersion: "1.1"} }, `min_version: there is no version "1.1"; give "1.2" or "1.3"`},
		{"tcp", func(c *check) { c.TLS = &healthcheck.TLS{CertFile: "x"} }, `cert_file: a client certificate needs cert_file and key_file; give both or neither`},
		{"tcp", func(c *check) { c.TLS = &healthcheck.TLS{Insecure: true, CAFile: "x"} }, `insecure: ca_file has no effect where nothing is verified; leave one of them out`},
		{"tcp", func(c *check) { c.Via = &healthcheck.Via{} }, `via: there is no service to go through; give the virtual server an address and a port`},
		{"tcp", func(c *check) {
			c.Via, c.Mark = &healthcheck.Via{Service: server, Mark: 1}, 2
		}, `mark: via = "service" has a mark of its own; leave mark out`},
		{"ping", func(c *check) { c.Via = &healthcheck.Via{Service: server, Mark: 1} }, `via: a ping check cannot go through a service; use a check that speaks the service's protocol`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Paths: []string{"x"}} }, `path: "x" is not a path; begin it with "/"`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Paths: []string{"/", "/a b"}} }, `paths[1]: "/a b" has a space or a control character; escape it, as %20`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Host: "a\r\nX: y"} }, `host: "a\r\nX: y" is not a host; give a name`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Headers: []healthcheck.Header{{Name: "X", Value: "a\nb"}}} }, `headers: the value of X has a control character; write it in one line`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Headers: []healthcheck.Header{{Name: "X(Y", Value: "a"}}} }, `headers: "X(Y" is not the name of a header; give a name as in X-Probe`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Paths: []string{"//evil/%zz"}} }, `path: "//evil/%zz" has a percent sign without two hexadecimal digits (RFC 3986 section 2.1); write a percent sign itself as %25`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Paths: []string{"//evil/%7e?a=%"}} }, `path: "//evil/%7e?a=%" has a percent sign without two hexadecimal digits (RFC 3986 section 2.1); write a percent sign itself as %25`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Paths: []string{"/a#b"}} }, `path: "/a#b" has a fragment, which is never sent; escape it, as %23, or leave it out`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Method: "CONNECT"} }, `method: CONNECT asks a proxy for a tunnel, and has no path; use another`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{Host: "a", Headers: []healthcheck.Header{{Name: "host", Value: "b"}}}
		}, `headers: host is given twice: by host, or by another header; leave one of them out`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{Headers: []healthcheck.Header{{Name: "Authorization", Value: "b"}}, Credential: &healthcheck.Credential{Scheme: "bearer", File: "x"}}
		}, `headers: Authorization is given by auth already; leave one of them out`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{Headers: []healthcheck.Header{{Name: "content-length", Value: "1"}}}
		}, `headers: content-length is made of the body; leave it out`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{Headers: []healthcheck.Header{{Name: "Connection", Value: "close"}}}
		}, ""},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{Version: "2", Headers: []healthcheck.Header{{Name: "Connection", Value: "close"}}}
		}, `headers: Connection belongs to a connection, which HTTP/2 has no headers for (RFC 9113 section 8.2.2); leave it out, or use another http_version`},
		{"https", func(c *check) {
			c.HTTP, c.TLS = &healthcheck.HTTP{Version: "2"}, &healthcheck.TLS{ALPN: []string{"http/1.1"}}
		}, `alpn: HTTP/2 is agreed on as "h2", and as nothing else (RFC 9113 section 3.2); leave it out: "h2" is offered by itself`},
		{"https", func(c *check) {
			c.HTTP, c.TLS = &healthcheck.HTTP{}, &healthcheck.TLS{ALPN: []string{"h2", "http/1.1"}}
		}, `alpn: "h2" is HTTP/2, and this check speaks HTTP/1; leave "h2" out, or set http_version = "2"`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{ExpectJSON: []healthcheck.JSONExpect{{Path: "a..b"}}}
		}, `expect_json: "a..b" is not a path: a name is empty; give a path as "status.db[0]", with names that have dots in brackets and quotes: "status[\"db.main\"]"`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Version: "3"} }, `http_version: there is no version "3"; give "1.0", "1.1" or "2"`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{ExpectStatus: []healthcheck.StatusRange{{From: 300, To: 200}}}
		}, `expect_status[0]: 300-200 is not a range of status codes; give codes from 100 to 599, as "200-299"`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{ExpectBodySHA256: "abc"} }, `expect_body_sha256: "abc" is not a SHA-256; give 64 hexadecimal digits, as sha256sum prints`},
		{"http", func(c *check) { c.HTTP = &healthcheck.HTTP{Method: "HEAD", ExpectBody: "x"} }, `method: the answer to HEAD has no body to look at; use GET`},
		{"http", func(c *check) {
			c.HTTP = &healthcheck.HTTP{Credential: &healthcheck.Credential{Scheme: "basic", User: "u"}}
		}, `auth_file: the secret has to come from exactly one place; give a file or an environment variable`},
		{"udp", func(c *check) { c.UDP = &healthcheck.UDP{Expect: []byte("x")} }, `require_reply: an answer is expected, but silence would be good; set it to true`},
		{"udp", func(c *check) { c.Slow = time.Millisecond }, `slow: a udp check without require_reply waits its timeout out, and is always slow; set require_reply, or leave slow out`},
		{"dns", func(c *check) { c.DNS = &healthcheck.DNS{Question: "a..b"} }, `question: "a..b" is not a name; give a name`},
		{"smtp", func(c *check) { c.SMTP = &healthcheck.SMTP{HELO: "my host"} }, `helo: "my host" is not a name; give a name`},
		{"grpc", func(c *check) { c.GRPC = &healthcheck.GRPC{Authority: "a\r\nb"} }, `authority: "a\r\nb" is not a name; give a name`},
		{"exec", func(*check) {}, `command: there is no command; give the program and its arguments`},
		{"file", func(c *check) { c.File = &healthcheck.File{Path: "x"} }, `path: "x" depends on where usher was started; give an absolute path`},
		{"file", func(c *check) { c.File = &healthcheck.File{Path: "/x", Mode: "gone"} }, `mode: "gone" is not known; give exists, absent, zero or weight`},
		{"postgres", func(c *check) {
			c.Database = &healthcheck.Database{Password: &healthcheck.Credential{File: "/x"}}
		}, `user: there is a password without a user; give the user that the password is for`},
		{"bfd", func(c *check) {
			c.BFD = &healthcheck.BFD{MinTX: time.Hour, MinRX: time.Second, Multiplier: 3}
		}, `min_tx: 1h0m0s is not between 1ms and 1m0s; give one, as "50ms"`},
		{"bfd", func(c *check) {
			c.Address, c.BFD = netip.MustParseAddrPort("[fe80::1]:80"), &healthcheck.BFD{MinTX: time.Second, MinRX: time.Second, Multiplier: 3}
		}, `interface: fe80::1 is link-local, so it may be on any interface; give the one that the neighbour is on`},
		{"passive", func(*check) {}, `threshold: there is no number of connections to trigger at; give at least 1`},
	} {
		check := tcp(server)
		check.Type, check.TCP = c.kind, nil
		c.edit(&check)
		errs := check.Validate()
		switch {
		case c.want == "" && len(errs) == 0:
		case len(errs) != 1 || errs[0].Error() != c.want:
			t.Errorf("%s: %q, want %q", c.kind, errs, c.want)
		default:
			var field *healthcheck.FieldError
			if key, _, _ := strings.Cut(c.want, ":"); errors.As(errs[0], &field) && field.Field() != "" && field.Field() != key {
				t.Errorf("%s: field %q of %q", c.kind, field.Field(), c.want)
			}
		}
	}
}

func TestValidateTarget(t *testing.T) {
	target := one(tcp(server), tcp(server))
	target.Need, target.FlapThreshold = 3, 1
	var lines []string
	for _, err := range target.Validate() {
		lines = append(lines, err.Error())
	}
	for _, want := range []string{
		"checks_needed: 3 of 2 checks can never be up",
		"flap_threshold: 1 is no number of changes to damp at",
		"flap_window: 0s is not a positive duration",
		"flap_hold: 0s is not a positive duration",
		`name: there are two checks of type tcp and name ""; give each its own name`,
	} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("no %q in %q", want, lines)
		}
	}
}

var server = netip.MustParseAddrPort("10.0.0.1:80")

func tcp(a netip.AddrPort) healthcheck.Check {
	return healthcheck.Check{
		Type: healthcheck.TypeTCP, Address: a, TCP: &healthcheck.TCP{},
		Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3,
	}
}

func one(checks ...healthcheck.Check) healthcheck.Target {
	return healthcheck.Target{ID: healthcheck.ID{VirtualServer: "web", RealServer: server}, Checks: checks}
}
