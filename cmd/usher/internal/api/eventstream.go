package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/cmd/usher/internal/events"
)

// How long a reader may be kept waiting, how long writing the answer to one who waited
// may take, how often a silent stream says that it is alive, and how long one that does
// not read is waited for.
const (
	slowest     = 10 * time.Second
	maxWait     = time.Minute
	answerLimit = 30 * time.Second
	keepAlive   = 15 * time.Second
)

func (h *handlers) events(w http.ResponseWriter, r *http.Request) {
	f, wait, err := filter(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		h.eventStream(w, r, f)
		return
	}
	// The server's limit for writing an answer is not to run out while there is none. The
	// error only says that this writer has no limit.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + answerLimit))
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for {
		list, last, more := h.backend.Events().List(f)
		if len(list) > 0 || wait <= 0 {
			reply(w, http.StatusOK, EventList{Events: list, Last: last})
			return
		}
		select {
		case <-more:
		case <-limit.C:
			wait = 0
		case <-r.Context().Done():
			return
		}
	}
}

// eventStream sends each event as one server-sent event whose id is its sequence
// number, so that a client that comes back is given what it missed
// (Last-Event-ID).
func (h *handlers) eventStream(w http.ResponseWriter, r *http.Request, f events.Filter) {
	if id, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		f.Since = id
	}
	s, ok := openStream(w)
	if !ok {
		return
	}
	for {
		list, last, more := h.backend.Events().List(f)
		for _, e := range list {
			if !s.send("event", strconv.FormatUint(e.Seq, 10), e) {
				return
			}
		}
		f.Since, f.Limit = last, 0
		if !s.wait(r, more) {
			return
		}
	}
}

func filter(r *http.Request) (f events.Filter, wait time.Duration, err error) {
	q := r.URL.Query()
	f.Instance, f.VirtualServer, f.RealServer = q.Get("instance"), q.Get("virtual_server"), q.Get("real_server")
	if v := q.Get("since"); v != "" {
		if f.Since, err = strconv.ParseUint(v, 10, 64); err != nil {
			return f, 0, fmt.Errorf("since: %q is no sequence number", v)
		}
	}
	if v := q.Get("limit"); v != "" {
		if f.Limit, err = strconv.Atoi(v); err != nil || f.Limit < 0 {
			return f, 0, fmt.Errorf("limit: %q is no number of events", v)
		}
	}
	if v := q.Get("wait"); v != "" {
		if wait, err = time.ParseDuration(v); err != nil || wait < 0 {
			return f, 0, fmt.Errorf("wait: %q is no duration such as 30s", v)
		}
	}
	return f, min(wait, maxWait), nil
}

// sse is an open stream of server-sent events.
type sse struct {
	w     http.ResponseWriter
	flush *http.ResponseController
}

func openStream(w http.ResponseWriter) (*sse, bool) {
	s := &sse{w: w, flush: http.NewResponseController(w)}
	s.renew()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	return s, s.flush.Flush() == nil
}

// renew gives the client its time for what is written next. A stream lives for days, so
// the server's limit for writing an answer is not for it; one that does not read is cut.
func (s *sse) renew() { _ = s.flush.SetWriteDeadline(time.Now().Add(slowest)) }

// send writes one event; false when the client is gone or does not read.
func (s *sse) send(name, id string, v any) bool {
	body, err := json.Marshal(v)
	return err == nil && s.write(name, id, secrets(s.w).JSON(body))
}

// write is send of what is encoded already, in pieces, so that nothing is copied: there
// may be many clients, and the pieces of the status are shared by them.
func (s *sse) write(name, id string, pieces ...[]byte) bool {
	s.renew()
	if id != "" {
		fmt.Fprintf(s.w, "id: %s\n", id)
	}
	fmt.Fprintf(s.w, "event: %s\ndata: ", name)
	for _, p := range append(pieces, []byte("\n\n")) {
		if _, err := s.w.Write(p); err != nil {
			return false
		}
	}
	return s.flush.Flush() == nil
}

// wait returns true when more is closed, and keeps the connection alive till then;
// false when the client is gone.
func (s *sse) wait(r *http.Request, more <-chan struct{}) bool {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-more:
			return true
		case <-r.Context().Done():
			return false
		case <-tick.C:
			s.renew()
			if _, err := fmt.Fprint(s.w, ": alive\n\n"); err != nil || s.flush.Flush() != nil {
				return false
			}
		}
	}
}
