package api

import (
	"net/http"

	"usher/cmd/usher/internal/events"
)

// route is one operation: what the mux serves and what the OpenAPI document says
// of it, in one place.
type route struct {
	method  string
	path    string
	steers  bool // changes state, or gives away secrets: never served without the socket's permission or a client certificate
	summary string
	query   []parameter
	request any // zero value of the body's type; nil for none
	answer  any // zero value of the answer's type
	media   string
	handle  func(*handlers, http.ResponseWriter, *http.Request)
}

type parameter struct{ name, kind, doc string }

const jsonMedia = "application/json"

func routes() []route {
	filter := []parameter{
		{"since", "integer", "only events with a greater sequence number; numbers go on rising when the daemon is started anew"},
		{"limit", "integer", "at most so many, the newest"},
		{"instance", "string", "only those of this instance"},
		{"virtual_server", "string", "only those of this virtual server"},
		{"real_server", "string", "only those of this real server (address:port)"},
	}
	steer := func(mode, summary string) route {
		return route{
			method: http.MethodPost, path: "/api/v1/" + mode, steers: true, summary: summary,
			request: Steer{}, answer: Done{}, media: jsonMedia,
			handle: func(h *handlers, w http.ResponseWriter, r *http.Request) { h.steer(w, r, mode) },
		}
	}
	return []route{
		{method: http.MethodGet, path: "/api/v1/status", summary: "How everything stands",
			answer: Status{}, media: jsonMedia, handle: (*handlers).status},
		{method: http.MethodGet, path: "/api/v1/health", summary: "Whether a person is needed now: the verdict of the status, and 503 with the problems where one is",
			answer: Health{}, media: jsonMedia, handle: (*handlers).health},
		{method: http.MethodGet, path: "/healthz", summary: "The same for monitoring: ok, or 503 and the problems as text",
			media: "text/plain", handle: (*handlers).healthz},
		{method: http.MethodGet, path: "/livez", summary: "Whether the daemon itself gets on with its work, for what would restart it: ok, or 503 and why not",
			media: "text/plain", handle: (*handlers).livez},
		{method: http.MethodGet, path: "/api/v1/config", summary: "The running configuration, without secrets",
			answer: map[string]any{}, media: jsonMedia, handle: (*handlers).config},
		{method: http.MethodGet, path: "/api/v1/events", summary: "What happened, newest last; a long poll with wait, a stream of server-sent events where the client accepts text/event-stream",
			query:  append(filter, parameter{"wait", "string", "with no event to give, wait so long for one, as in 30s; at most 60s"}),
			answer: EventList{}, media: jsonMedia, handle: (*handlers).events},
		{method: http.MethodGet, path: "/api/v1/stream", summary: "The status as server-sent events: status once, then patch with what changed",
			media: "text/event-stream", handle: (*handlers).stream},
		{method: http.MethodGet, path: "/api/v1/openapi.json", summary: "This document",
			answer: map[string]any{}, media: jsonMedia, handle: (*handlers).openapi},
		{method: http.MethodGet, path: "/metrics", summary: "Prometheus metrics",
			media: "text/plain", handle: (*handlers).metrics},
		{method: http.MethodPost, path: "/api/v1/reload", steers: true, summary: "Validate the configuration files and apply the difference; 422 and nothing changed where they are invalid",
			answer: Done{}, media: jsonMedia, handle: (*handlers).reload},
		{method: http.MethodPost, path: "/api/v1/plan", steers: true, summary: "What a reload would change",
			answer: map[string]any{}, media: jsonMedia, handle: (*handlers).plan},
		{method: http.MethodGet, path: "/api/v1/variables", steers: true, summary: "The values that the daemon was given for the configuration's variables, which may be secrets",
			answer: Variables{}, media: jsonMedia, handle: (*handlers).variables},
		steer("drain", "No new connections to a real server; out when its connections are gone"),
		steer("disable", "A real server out at once"),
		steer("enable", "Lift what was said of a real server"),
		steer("weight", "Another weight for a real server than the configured one"),
		{method: http.MethodPost, path: "/api/v1/failover", steers: true, summary: "Hand an instance's addresses to the peer",
			request: Name{}, answer: Done{}, media: jsonMedia, handle: (*handlers).failover},
		{method: http.MethodPost, path: "/api/v1/maintenance", steers: true, summary: "Hold every instance back, or let it run again",
			request: Switch{}, answer: Done{}, media: jsonMedia, handle: (*handlers).maintenance},
		{method: http.MethodPost, path: "/api/v1/withdraw", steers: true, summary: "Have routers send an announcement's traffic to other directors, until announce",
			request: Announcing{}, answer: Done{}, media: jsonMedia,
			handle: func(h *handlers, w http.ResponseWriter, r *http.Request) { h.announce(w, r, false) }},
		{method: http.MethodPost, path: "/api/v1/announce", steers: true, summary: "Lift what withdraw said of an announcement",
			request: Announcing{}, answer: Done{}, media: jsonMedia,
			handle: func(h *handlers, w http.ResponseWriter, r *http.Request) { h.announce(w, r, true) }},
	}
}

// EventList is the answer of GET /api/v1/events.
type EventList struct {
	Events []events.Event `json:"events"`
	Last   uint64         `json:"last"` // sequence number of the newest event of all: the next poll's since
}
