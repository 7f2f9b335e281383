package probe_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"usher/healthcheck"
)

// heard is a request as a server saw it.
type heard struct{ method, target, host, version, headers, body string }

// recorder is a server of HTTP/1 and HTTP/2 that notes what it hears.
type recorder struct {
	mu   sync.Mutex
	all  []heard
	want http.HandlerFunc // answers; nil for an empty 200
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var names []string
	for name, values := range req.Header {
		for _, v := range values {
			names = append(names, name+": "+v)
		}
	}
	sort.Strings(names)
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.all = append(r.all, heard{req.Method, req.RequestURI, req.Host, req.Proto, strings.Join(names, "; "), string(body)})
	r.mu.Unlock()
	if r.want != nil {
		r.want(w, req)
	}
}

func (r *recorder) told() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func record(t *testing.T, want http.HandlerFunc) (*recorder, healthcheck.Check) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	r := &recorder{want: want}
	server := &http.Server{Handler: r, Protocols: &protocols, ErrorLog: quietLog()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return r, healthcheck.Check{Type: healthcheck.TypeHTTP, Address: addr(l.Addr().String()), Timeout: 30 * time.Second}
}

// clients are the ways in which a probe speaks HTTP: on the event loop, beside it, and
// by HTTP/2, with what makes a check go there.
var clients = []struct {
	name string
	make func(h *healthcheck.HTTP)
}{
	{"loop", func(*healthcheck.HTTP) {}},
	{"beside it", func(h *healthcheck.HTTP) { h.ExpectBodyRegex = ".*" }},
	{"redirects", func(h *healthcheck.HTTP) { h.FollowRedirects = true }},
	{"HTTP/2", func(h *healthcheck.HTTP) { h.Version = "2" }},
	{"HTTP/2, redirects", func(h *healthcheck.HTTP) { h.Version, h.FollowRedirects = "2", true }},
}

// TestOneMeaningForAKey: a server hears the same of a request, whichever client makes
// it: each key of a check has one meaning.
func TestOneMeaningForAKey(t *testing.T) {
	r, c := record(t, nil)
	own := c.Address.String()
	const usual = "Accept: */*; Connection: close; User-Agent: usher-check/1.0"
	header := func(list ...string) (all []healthcheck.Header) {
		for i := 0; i < len(list); i += 2 {
			all = append(all, healthcheck.Header{Name: list[i], Value: list[i+1]})
		}
		return all
	}
	for _, tc := range []struct {
		name  string
		http  healthcheck.HTTP
		heard heard
	}{
		{"nothing", healthcheck.HTTP{}, heard{"GET", "/", own, "", usual, ""}},
		{"method", healthcheck.HTTP{Method: "OPTIONS"}, heard{"OPTIONS", "/", own, "", usual, ""}},
		{"HEAD", healthcheck.HTTP{Method: "HEAD"}, heard{"HEAD", "/", own, "", usual, ""}},
		{"host", healthcheck.HTTP{Host: "www.example.org:8080"}, heard{"GET", "/", "www.example.org:8080", "", usual, ""}},
		{"header Host", healthcheck.HTTP{Headers: header("host", "www.example.org")}, heard{"GET", "/", "www.example.org", "", usual, ""}},
		{"header User-Agent", healthcheck.HTTP{Headers: header("user-agent", "my-probe/9")},
			heard{"GET", "/", own, "", strings.Replace(usual, "usher-check/1.0", "my-probe/9", 1), ""}},
		{"header Accept", healthcheck.HTTP{Headers: header("Accept", "text/html")}, heard{"GET", "/", own, "", strings.Replace(usual, "*/*", "text/html", 1), ""}},
		{"header Connection", healthcheck.HTTP{Headers: header("Connection", "keep-alive")}, heard{"GET", "/", own, "", strings.Replace(usual, "close", "keep-alive", 1), ""}},
		{"other headers", healthcheck.HTTP{Headers: header("X-A", "1", "X-B", " two ")}, heard{"GET", "/", own, "", usual + "; X-A: 1; X-B: two", ""}},
		{"a header twice", healthcheck.HTTP{Headers: header("X-A", "1", "X-A", "2")}, heard{"GET", "/", own, "", usual + "; X-A: 1; X-A: 2", ""}},
		{"version", healthcheck.HTTP{Version: "1.0"}, heard{"GET", "/", own, "HTTP/1.0", usual, ""}},
		{"body", healthcheck.HTTP{Method: "POST", Body: "said"}, heard{"POST", "/", own, "", "Accept: */*; Connection: close; Content-Length: 4; User-Agent: usher-check/1.0", "said"}},
		{"no body", healthcheck.HTTP{Method: "POST"}, heard{"POST", "/", own, "", "Accept: */*; Connection: close; Content-Length: 0; User-Agent: usher-check/1.0", ""}},
		{"body of a GET", healthcheck.HTTP{Body: "said"}, heard{"GET", "/", own, "", "Accept: */*; Connection: close; Content-Length: 4; User-Agent: usher-check/1.0", "said"}},
		{"path", healthcheck.HTTP{Paths: []string{"/a%20b/../c?d=%2f&e"}}, heard{"GET", "/a%20b/../c?d=%2f&e", own, "", usual, ""}},
		{"path of a host", healthcheck.HTTP{Paths: []string{"//evil/%7e"}}, heard{"GET", "//evil/%7e", own, "", usual, ""}},
		{"path to be escaped", healthcheck.HTTP{Paths: []string{"/ä{b}|"}}, heard{"GET", "/%C3%A4%7Bb%7D%7C", own, "", usual, ""}},
		{"query of nothing", healthcheck.HTTP{Paths: []string{"/?"}}, heard{"GET", "/?", own, "", usual, ""}},
	} {
		for _, client := range clients {
			h := tc.http
			client.make(&h)
			if h.Method == "HEAD" && h.ExpectBodyRegex != "" || tc.http.Version != "" && h.Version != tc.http.Version {
				continue // validation refuses the one, and the other is another key's
			}
			want := tc.heard
			if h.Version == "2" {
				want.version = "HTTP/2.0"
				if want.headers = strings.Replace(want.headers, "Connection: close; ", "", 1); strings.Contains(want.headers, "Connection") {
					continue // there is none in HTTP/2, and validation refuses it
				}
			} else if want.version == "" {
				want.version = "HTTP/1.1"
			}
			c := c
			c.HTTP = &h
			expect(t, run(t, c), healthcheck.Pass, "")
			if got := r.told(); len(got) != 1 || got[0] != want {
				t.Errorf("%s, %s: heard\n%+v, want\n%+v", tc.name, client.name, got, want)
			}
		}
	}
}

// TestRedirects: what is followed, and how, by both versions.
func TestRedirects(t *testing.T) {
	secret := []healthcheck.Header{{Name: "X-Api-Key", Value: "secret"}, {Name: "X-Probe", Value: "yes"}}
	for _, tc := range []struct {
		status   int
		location string
		method   string
		outcome  healthcheck.Outcome
		heard    string // of the second request
		words    string
	}{
		{302, "/next?a=b", "POST", healthcheck.Pass, "GET /next?a=b own  key yes", ""},
		{303, "next", "PUT", healthcheck.Pass, "GET /dir/next own  key yes", ""},
		{307, "/next", "POST", healthcheck.Pass, "POST /next own said key yes", ""},
		{308, "/next", "PUT", healthcheck.Pass, "PUT /next own said key yes", ""},
		{302, "http://www.example.org:99/next", "GET", healthcheck.Pass, "GET /next www.example.org:99 said  yes", ""},
		{302, "//evil/next", "GET", healthcheck.Pass, "GET /next evil said  yes", ""},
		{302, "https://www.example.org/next", "GET", healthcheck.Fail, "", `follows no redirect to "https", which is another port's`},
		{302, "mailto:root@example.org", "GET", healthcheck.Fail, "", `follows no redirect to "mailto"`},
		{302, "http://[::1", "GET", healthcheck.Fail, "", "which is no URL"},
		{302, "/dir/first", "GET", healthcheck.Fail, "", "/dir/first: more than 10 redirects"},
		{302, "", "GET", healthcheck.Fail, "", "answered status 302"},
		{304, "/next", "GET", healthcheck.Fail, "", "answered status 304"},
	} {
		for _, version := range []string{"1.1", "2"} {
			var server healthcheck.Check
			r, server := record(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/dir/first" {
					if tc.location != "" {
						w.Header().Set("Location", tc.location)
					}
					w.WriteHeader(tc.status)
				}
			})
			server.HTTP = &healthcheck.HTTP{Paths: []string{"/dir/first"}, Method: tc.method, Body: "said", Version: version, FollowRedirects: true, Headers: secret}
			expect(t, run(t, server), tc.outcome, tc.words)
			all := r.told()
			if tc.outcome != healthcheck.Pass {
				continue
			}
			last := all[len(all)-1]
			got := fmt.Sprintf("%s %s %s %s %s %s", last.method, last.target, strings.Replace(last.host, server.Address.String(), "own", 1), last.body,
				map[bool]string{true: "key"}[strings.Contains(last.headers, "secret")], map[bool]string{true: "yes"}[strings.Contains(last.headers, "X-Probe: yes")])
			if got != tc.heard || len(all) != 2 {
				t.Errorf("%s, HTTP/%s: %d requests, the last %q, want %q", tc.location, version, len(all), got, tc.heard)
			}
		}
	}
}

// TestOneProbeAsksOnce: a server that takes a connection of HTTP/2 and refuses the
// request gets no other before the next probe.
func TestOneProbeAsksOnce(t *testing.T) {
	for name, refuse := range map[string]func(f *http2.Framer){
		"REFUSED_STREAM": func(f *http2.Framer) { f.WriteRSTStream(1, http2.ErrCodeRefusedStream) },
		"GOAWAY":         func(f *http2.Framer) { f.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"error":          func(f *http2.Framer) { f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil) },
	} {
		for kind, c := range map[string]healthcheck.Check{
			"http": {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{Version: "2"}},
			"grpc": {Type: healthcheck.TypeGRPC},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				connections := make(chan struct{}, 1000)
				server := serve(t, func(conn net.Conn) {
					connections <- struct{}{}
					io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
					f := http2.NewFramer(conn, conn)
					f.WriteSettings()
					for {
						frame, err := f.ReadFrame()
						if err != nil {
							return
						}
						if _, ok := frame.(*http2.HeadersFrame); ok {
							refuse(f)
						}
					}
				})
				c.Address, c.Timeout = server.Address, 2*time.Second
				r := run(t, c)
				if r.Outcome != healthcheck.Fail || strings.Contains(r.Reason, "no answer within") {
					t.Errorf("%s %q, want a failure at once", r.Outcome, r.Reason)
				}
				t.Log(r.Reason)
				if n := len(connections); n != 1 {
					t.Errorf("%d connections, want 1", n)
				}
			})
		}
	}
}
