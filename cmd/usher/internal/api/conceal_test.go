package api_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/events"
)

// TestNoSecretInAnAnswer: documents, lines of text, errors and events have (hidden) in the
// place of the backend's secrets, and who asks again for a document still is told that it
// is the same.
func TestNoSecretInAnAnswer(t *testing.T) {
	s := status()
	s.Warnings[0].Text, s.Warnings[0].Severity = "it says \"opal-secret\"", "error"
	b := apitest.New(s)
	b.Sicken("IPVS: opal-secret")
	b.Stick("opal-secret hangs")
	b.Events().Add(events.Event{Kind: "reload", Reason: "opal-secret"})
	b.Refuse(&api.DetailedError{Err: fmt.Errorf("no opal-secret: %w", api.ErrRefused), Text: "line 1: opal-secret"})
	h := api.Handler(b, metricsDouble(), true, nil)
	for request, hidden := range map[string]int{
		"GET /api/v1/status": 2, "GET /api/v1/health": 3, "GET /healthz": 2, "GET /livez": 1, "GET /api/v1/events": 1, "POST /api/v1/reload": 2, "POST /api/v1/plan": 2,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if text := w.Body.String(); strings.Contains(text, "opal") || strings.Count(text, "(hidden)") < hidden {
			t.Errorf("%s: %s", request, text)
		}
		if tag := w.Header().Get("ETag"); tag != "" {
			again := httptest.NewRequest(method, path, nil)
			again.Header.Set("If-None-Match", tag)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, again); w.Code != 304 {
				t.Errorf("%s again: %d", request, w.Code)
			}
		}
	}
	if !errors.Is(b.Reload(t.Context()), api.ErrRefused) {
		t.Error("the double does not refuse")
	}
}
