package api

import (
	"net/http"

	"usher/healthcheck/redact"
)

// concealing hides the backend's secrets in every document, line and event that next
// answers with, by their values.
func concealing(b Backend, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&concealer{w, b}, r)
	})
}

// concealer is a writer that knows what is not to be shown.
type concealer struct {
	http.ResponseWriter
	backend Backend
}

// Unwrap is for http.ResponseController.
func (c *concealer) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// bare is w as the server gave it.
func bare(w http.ResponseWriter) http.ResponseWriter {
	if c, ok := w.(*concealer); ok {
		return c.ResponseWriter
	}
	return w
}

// secrets are those that what is written to w must not show.
func secrets(w http.ResponseWriter) *redact.Set {
	if c, ok := w.(*concealer); ok {
		return c.backend.Secrets()
	}
	return nil
}
