package api_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/events"
)

// reached is a request as a server sees it that was reached at an address.
func reached(method, at, host string) *http.Request {
	r := httptest.NewRequest(method, "http://"+host+"/api/v1/status", nil)
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(at), Port: 9765}))
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestNames: who calls the page by a name that is not its own is a foreign web page,
// whose name was made to point here.
func TestNames(t *testing.T) {
	g := &api.Guard{Names: func() []string { return []string{"lb1", "lb1.example.org"} }}
	h := g.Wrap(api.Handler(apitest.New(status()), metricsDouble(), false, nil))
	for _, c := range []struct {
		at, host string
		code     int
	}{
		{"127.0.0.1", "127.0.0.1:9765", 200},
		{"127.0.0.1", "localhost:9765", 200},
		{"127.0.0.1", "LocalHost.", 200},
		{"::1", "[::1]:9765", 200},
		{"::1", "localhost", 200},
		{"192.0.2.1", "192.0.2.1:9765", 200},
		{"192.0.2.1", "lb1:9765", 200},
		{"192.0.2.1", "LB1.example.org", 200},
		{"127.0.0.1", "evil.example:9765", 421},
		{"127.0.0.1", "lb1.example.org.evil.example", 421},
		{"192.0.2.1", "localhost", 421},
		{"192.0.2.1", "192.0.2.2", 421},
	} {
		if w := answer(h, reached("GET", c.at, c.host)); w.Code != c.code {
			t.Errorf("reached at %s as %s: %d, want %d; %s", c.at, c.host, w.Code, c.code, w.Body)
		}
	}
	if w := answer(h, reached("GET", "127.0.0.1", "evil.example")); !strings.Contains(w.Body.String(), "global.http_hosts") {
		t.Errorf("the mend is not named: %s", w.Body)
	}
	// HTTP/1.0 knows no name, and no browser speaks it: health checks of other programs do.
	nameless := reached("GET", "192.0.2.1", "192.0.2.1")
	nameless.Host = ""
	nameless.Proto, nameless.ProtoMajor, nameless.ProtoMinor = "HTTP/1.0", 1, 0
	if w := answer(h, nameless); w.Code != 200 {
		t.Errorf("by HTTP/1.0: %d %s", w.Code, w.Body)
	}
	// A unix socket is called whatever its client likes.
	open := &api.Guard{}
	if w := answer(open.Wrap(api.Handler(apitest.New(status()), metricsDouble(), true, nil)), httptest.NewRequest("GET", "http://usher/api/v1/status", nil)); w.Code != 200 {
		t.Errorf("over the socket: %d %s", w.Code, w.Body)
	}
}

// TestForeignOrders: no order is taken from another origin's page, nor, over TLS, in a
// form that a page can send without asking.
func TestForeignOrders(t *testing.T) {
	b := apitest.New(status())
	g := &api.Guard{Trusted: func(*tls.ConnectionState) error { return nil }}
	h := g.Wrap(api.Handler(b, metricsDouble(), true, nil))
	for _, c := range []struct {
		origin, media string
		tls           bool
		code          int
	}{
		{"", "application/json", true, 200},
		{"https://lb1", "application/json; charset=utf-8", true, 200},
		{"https://evil.example", "application/json", true, 403},
		{"null", "application/json", true, 403},
		{"", "text/plain", true, 415},
		{"", "", true, 415},
		{"", "application/x-www-form-urlencoded", false, 200}, // curl -d over the socket
		{"https://evil.example", "text/plain", false, 403},
	} {
		r := httptest.NewRequest("POST", "https://lb1/api/v1/failover", strings.NewReader(`{"instance":"edge"}`))
		if !c.tls {
			r.TLS = nil
		} else {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		}
		for key, value := range map[string]string{"Origin": c.origin, "Content-Type": c.media} {
			if value != "" {
				r.Header.Set(key, value)
			}
		}
		if w := answer(h, r); w.Code != c.code {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
	if n := len(b.Asked()); n != 3 {
		t.Errorf("%d orders were taken, want 3", n)
	}
}

// TestTrustLost: a certificate that lets its owner in no more ends what he has open, and
// he can order nothing over a connection that he has.
func TestTrustLost(t *testing.T) {
	var mu sync.Mutex
	var lost error
	g := &api.Guard{Trusted: func(*tls.ConnectionState) error {
		mu.Lock()
		defer mu.Unlock()
		return lost
	}}
	h := g.Wrap(api.Handler(apitest.New(status()), metricsDouble(), true, nil))
	r := httptest.NewRequest("GET", "https://lb1/api/v1/stream", nil)
	r.TLS = &tls.ConnectionState{}
	started, ended := make(chan struct{}), make(chan struct{})
	w := &first{ResponseWriter: httptest.NewRecorder(), written: sync.OnceFunc(func() { close(started) })}
	go func() {
		defer close(ended)
		h.ServeHTTP(w, r)
	}()
	<-started
	mu.Lock()
	lost = errors.New("signed by unknown authority")
	mu.Unlock()
	g.Recheck()
	<-ended
	r = httptest.NewRequest("POST", "https://lb1/api/v1/reload", strings.NewReader("{}"))
	r.TLS = &tls.ConnectionState{}
	if w := answer(h, r); w.Code != 401 || !strings.Contains(w.Body.String(), "signed by unknown authority") {
		t.Errorf("an order of somebody who is let in no more: %d %s", w.Code, w.Body)
	}
}

// first tells of the first byte written.
type first struct {
	http.ResponseWriter
	written func()
}

func (f *first) Write(b []byte) (int, error) {
	defer f.written()
	return f.ResponseWriter.Write(b)
}
func (f *first) Flush() {}

// TestStreamsThatAreNotRead: each is cut within ten seconds, so many are let in and no
// more, and there is room again afterwards.
func TestStreamsThatAreNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 5
		g := &api.Guard{Streams: most, Answers: 1}
		b := apitest.New(status())
		l := newPipes()
		server := &http.Server{Handler: g.Wrap(api.Handler(b, metricsDouble(), false, nil))}
		stop := apitest.Serve(server, l)
		open := func(path string) net.Conn {
			c := l.dial()
			if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: usher\r\n\r\n", path); err != nil {
				t.Fatal(err)
			}
			return c
		}
		var idle []net.Conn
		for range most {
			idle = append(idle, open("/api/v1/stream"))
		}
		synctest.Wait()
		refused := open("/api/v1/events?wait=30s")
		line, err := bufio.NewReader(refused).ReadString('\n')
		if err != nil || !strings.Contains(line, " 503 ") {
			t.Errorf("one stream too many: %q, %v", line, err)
		}
		refused.Close()
		// A pipe holds nothing, as a socket whose buffers are full.
		time.Sleep(11 * time.Second)
		for i, c := range idle {
			late := time.AfterFunc(time.Second, func() {
				t.Errorf("stream %d goes on", i)
				c.Close()
			})
			// What it had written is nowhere: a pipe does not keep it.
			_, _ = io.Copy(io.Discard, c)
			late.Stop()
			c.Close()
		}
		again := open("/api/v1/stream")
		if line, err := bufio.NewReader(again).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
			t.Errorf("there is no room again: %q, %v", line, err)
		}
		again.Close()
		stop()
	})
}

// TestReadStreamsGoOn: one that is read lives on, however long.
func TestReadStreamsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := apitest.New(status())
		l := newPipes()
		server := &http.Server{Handler: (&api.Guard{Streams: 1, Answers: 1}).Wrap(api.Handler(b, metricsDouble(), false, nil)), WriteTimeout: time.Minute}
		stop := apitest.Serve(server, l)
		c := l.dial()
		go fmt.Fprint(c, "GET /api/v1/events HTTP/1.1\r\nHost: usher\r\nAccept: text/event-stream\r\n\r\n")
		lines := bufio.NewScanner(c)
		time.AfterFunc(time.Hour, func() { b.Events().Add(events.Event{Kind: "late", Reason: "an hour later"}) })
		for lines.Scan() && !strings.Contains(lines.Text(), "an hour later") {
		}
		if lines.Err() != nil || !strings.Contains(lines.Text(), "an hour later") {
			t.Errorf("the stream ended: %v", lines.Err())
		}
		c.Close()
		stop()
	})
}

// pipes is a listener of pipes in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }
