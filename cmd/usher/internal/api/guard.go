package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Guard is what one of the daemon's HTTP servers asks of every request before it is
// handled. The zero value asks for nothing and bounds nothing.
type Guard struct {
	// Names are those that clients may call this server by, beside the address at which
	// they reached it. Without the check a web page of anybody's could have its own name
	// point here and read what it says (DNS rebinding). Nil lets every name in, as is
	// right for a unix socket.
	Names func() []string
	// Trusted says whether a client certificate still lets its owner in; nil for no such
	// question.
	Trusted func(*tls.ConnectionState) error
	// Answers is how many documents may be on their way at once, Streams how many
	// streams and waits for events; 0 for any number. More, or more of one client than a
	// Room lets it have, are answered with 503.
	Answers, Streams int

	mu      sync.Mutex
	open    map[*http.Request]context.CancelFunc // requests with a client certificate
	answers *Room
	streams *Room
}

// patienceForRoom is how long a request waits for others to be over.
const patienceForRoom = 5 * time.Second

// Wrap gives a handler that lets through what the guard has nothing against.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	g.open = map[*http.Request]context.CancelFunc{}
	g.answers, g.streams = NewRoom(g.Answers), NewRoom(g.Streams)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.Names != nil && !called(r, g.Names()) {
			fail(w, http.StatusMisdirectedRequest, fmt.Errorf("this address is not called %q; global.http_hosts takes the names by which it may be", r.Host))
			return
		}
		if err := sameOrigin(r); err != nil {
			fail(w, http.StatusForbidden, err)
			return
		}
		if g.Trusted != nil && r.TLS != nil {
			if err := g.Trusted(r.TLS); err != nil {
				w.Header().Set("Connection", "close")
				fail(w, http.StatusUnauthorized, fmt.Errorf("your certificate lets you in no more: %w", err))
				return
			}
			if r.Method == http.MethodPost && mediaOf(r) != jsonMedia {
				fail(w, http.StatusUnsupportedMediaType, fmt.Errorf("the body must be sent as Content-Type: %s", jsonMedia))
				return
			}
			var cancel context.CancelFunc
			r, cancel = g.hold(r)
			defer cancel()
		}
		room, limit, what := g.answers, g.Answers, "answers"
		if lasting(r) {
			room, limit, what = g.streams, g.Streams, "streams"
		}
		if limit > 0 {
			leave := enter(r, room)
			if leave == nil {
				w.Header().Set("Retry-After", "5")
				w.Header().Set("Connection", "close")
				fail(w, http.StatusServiceUnavailable, fmt.Errorf("as many %s at once as there may be: %d in all, and for one address no more than it leaves free; try again later", what, limit))
				return
			}
			defer leave()
		}
		next.ServeHTTP(w, r)
	})
}

// Recheck ends the requests under way, streams above all, of those whose certificate
// lets them in no more; orders are let finish.
func (g *Guard) Recheck() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for r, cancel := range g.open {
		if r.Method == http.MethodGet && g.Trusted(r.TLS) != nil {
			cancel()
		}
	}
}

// hold gives the request with a context that Recheck can end.
func (g *Guard) hold(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	held := r.WithContext(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[held] = cancel
	return held, func() {
		cancel()
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.open, held)
	}
}

// enter takes room for a request; nil where there is none.
func enter(r *http.Request, room *Room) (leave func()) {
	if lasting(r) {
		return room.Enter(r.RemoteAddr) // none of them is over soon
	}
	return room.wait(r.Context(), r.RemoteAddr, patienceForRoom)
}

// lasting says that a request may take long by its nature.
func lasting(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/stream") || strings.HasSuffix(r.URL.Path, "/events") &&
		(r.URL.Query().Has("wait") || strings.Contains(r.Header.Get("Accept"), "text/event-stream"))
}

// called says whether the name in the request is one of this server's: the address at
// which the client reached it, localhost where that is a loopback address, or one of
// names.
func called(r *http.Request, names []string) bool {
	host := r.Host
	if host == "" && !r.ProtoAtLeast(1, 1) {
		return true // no browser: a load balancer's probe, which knows no name
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) }) {
		return true
	}
	reached := netip.Addr{}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		reached = a.AddrPort().Addr().Unmap()
	}
	if host == "localhost" {
		return reached.IsLoopback()
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap() == reached.WithZone(ip.Zone())
}

// sameOrigin refuses orders that a web page of somebody else's has a browser send.
func sameOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if r.Method != http.MethodPost || origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && u.Host != "" && u.Host == r.Host {
		return nil
	}
	return errors.New("orders are not taken from the web page of another origin")
}

func mediaOf(r *http.Request) string {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}
