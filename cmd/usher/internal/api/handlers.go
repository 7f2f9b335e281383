package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"usher/cmd/usher/internal/control"
)

// maxBody bounds a request's body in bytes; every real one is far below.
const maxBody = 1 << 16

// Handler serves the API. With steer false only what changes nothing is there.
// extra handlers (the status page) are served at their patterns as well.
func Handler(b Backend, metrics http.Handler, steer bool, extra map[string]http.Handler) http.Handler {
	h := &handlers{backend: b, prometheus: metrics, feed: newFeed(b)}
	mux := http.NewServeMux()
	for _, r := range routes() {
		switch {
		case !r.steers || steer:
			mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { r.handle(h, w, req) })
		default:
			mux.HandleFunc(r.method+" "+r.path, forbidden)
		}
	}
	for pattern, e := range extra {
		mux.Handle(pattern, e)
	}
	mux.HandleFunc("/api/", lost)
	return secure(concealing(b, mux))
}

// lost answers for what is not there, and for what is there by another method.
func lost(w http.ResponseWriter, r *http.Request) {
	for _, known := range routes() {
		if known.path == r.URL.Path {
			w.Header().Set("Allow", known.method)
			fail(w, http.StatusMethodNotAllowed, fmt.Errorf("%s wants %s, not %s", known.path, known.method, r.Method))
			return
		}
	}
	fail(w, http.StatusNotFound, fmt.Errorf("there is no %s; GET /api/v1/openapi.json lists what there is", r.URL.Path))
}

// secure forbids browsers to frame, sniff or load anything foreign.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func forbidden(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusForbidden, errors.New("this address is read-only; what changes state, or may be secret, goes through the control socket"))
}

type handlers struct {
	backend    Backend
	prometheus http.Handler
	feed       *feed
}

func (h *handlers) status(w http.ResponseWriter, r *http.Request) {
	document(w, r, h.backend.Status())
}

func (h *handlers) health(w http.ResponseWriter, _ *http.Request) {
	health := healthOf(h.backend.Status())
	reply(w, healthStatus(health), health)
}

func (h *handlers) healthz(w http.ResponseWriter, _ *http.Request) {
	health := healthOf(h.backend.Status())
	text := strings.Join(health.Problems, "\n")
	switch health.Verdict.Level {
	case LevelOK:
		text = "ok"
	case LevelWarning:
		text = "ok, but " + health.Verdict.Text
	}
	plain(w, healthStatus(health), text)
}

// livez asks for nothing that the kernel, a peer, a server or an operator can bring about:
// what is restarted when it fails would not help them.
func (h *handlers) livez(w http.ResponseWriter, _ *http.Request) {
	if stuck := h.backend.Stuck(); stuck != "" {
		plain(w, http.StatusServiceUnavailable, stuck)
		return
	}
	plain(w, http.StatusOK, "ok")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, secrets(w).Text(text))
}

func healthStatus(h Health) int {
	if h.OK {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

func (h *handlers) config(w http.ResponseWriter, r *http.Request) {
	document(w, r, h.backend.Config())
}

func (h *handlers) metrics(w http.ResponseWriter, r *http.Request) { h.prometheus.ServeHTTP(w, r) }

func (h *handlers) openapi(w http.ResponseWriter, r *http.Request) {
	document(w, r, Document())
}

func (h *handlers) reload(w http.ResponseWriter, r *http.Request) {
	done(w, h.backend.Reload(r.Context()), "configuration reloaded")
}

func (h *handlers) plan(w http.ResponseWriter, r *http.Request) {
	plan, err := h.backend.Plan(r.Context())
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusOK, plan)
}

// variables are secrets, and given to those alone who may steer: to load the same
// configuration they must have the values.
func (h *handlers) variables(w http.ResponseWriter, _ *http.Request) {
	reply(bare(w), http.StatusOK, h.backend.Variables())
}

func (h *handlers) steer(w http.ResponseWriter, r *http.Request, mode string) {
	var s Steer
	if !read(w, r, &s) {
		return
	}
	if mode == "weight" && s.Weight == nil {
		fail(w, http.StatusBadRequest, errors.New(`"weight" is missing`))
		return
	}
	s.Mode, s.By = mode, asker(r)
	message, err := h.backend.Steer(r.Context(), s)
	done(w, err, message)
}

func (h *handlers) failover(w http.ResponseWriter, r *http.Request) {
	var n Name
	if !read(w, r, &n) {
		return
	}
	patient(w)
	message, err := h.backend.Failover(r.Context(), n, asker(r))
	done(w, err, message)
}

func (h *handlers) announce(w http.ResponseWriter, r *http.Request, on bool) {
	var a Announcing
	if !read(w, r, &a) {
		return
	}
	if a.Announce == "" {
		fail(w, http.StatusBadRequest, errors.New(`"announce" is missing: the name of an announce block`))
		return
	}
	message, err := h.backend.Announce(r.Context(), a, on, asker(r))
	done(w, err, message)
}

func (h *handlers) maintenance(w http.ResponseWriter, r *http.Request) {
	var s struct {
		Switch
		On *bool `json:"on"` // of a Switch, but told from none
	}
	if !read(w, r, &s) {
		return
	}
	if s.On == nil {
		fail(w, http.StatusBadRequest, errors.New(`"on" is missing`))
		return
	}
	s.Switch.On = *s.On
	patient(w)
	message, err := h.backend.Maintenance(r.Context(), s.Switch, asker(r))
	done(w, err, message)
}

// patient lets an answer take as long as the protocol does: with adverts that come
// seldom a handover takes minutes, and has its own bound.
func patient(w http.ResponseWriter) {
	// A writer without deadlines, as in a test, has none to lift.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// asker names who is at the other end: the user of the control socket, or whom the
// client certificate was made for.
func asker(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return "certificate " + r.TLS.PeerCertificates[0].Subject.String()
	}
	return control.Peer(r.Context())
}

// read decodes a body, strictly: a field that is not known is an error, since a
// misspelt one would be a different order than the operator meant.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(bare(w), r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("request body: %w", err))
		return false
	}
	return true
}

func done(w http.ResponseWriter, err error, message string) {
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusOK, Done{Message: message})
}

func fail(w http.ResponseWriter, status int, err error) {
	f := Failure{Error: err.Error()}
	var detailed *DetailedError
	if errors.As(err, &detailed) {
		f.Detail = detailed.Text
	}
	reply(w, status, f)
}

// document writes v as JSON for a client that may have it already: who gives the tag of
// what it has is told in a few bytes that it is the same (RFC 9110 section 13.1.2).
func document(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	body = secrets(w).JSON(body)
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if has := r.Header.Get("If-None-Match"); has == "*" || strings.Contains(has, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", jsonMedia)
	w.WriteHeader(http.StatusOK)
	w.Write(append(body, '\n'))
}

// reply writes v as JSON. The connection is the only thing that can fail, and then
// there is nobody to tell.
func reply(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body = secrets(w).JSON(body)
	w.Header().Set("Content-Type", jsonMedia)
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
