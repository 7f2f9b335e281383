package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/events"
)

// TestDocumentMatchesHandlers: every operation of the OpenAPI document is served,
// and what it answers has the fields that the document promises, and no others.
func TestDocumentMatchesHandlers(t *testing.T) {
	b := apitest.New(status())
	b.Events().Add(events.Event{Kind: "start", Instance: "i", Group: "g", VirtualServer: "v", RealServer: "r", From: "f", To: "t", Priority: 1, Peer: "p", Announcement: "a", Prefix: "192.0.2.1/32"})
	h := api.Handler(b, metricsDouble(), true, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.json", nil))
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc["openapi"] != "3.1.0" {
		t.Fatalf("document: %v", err)
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	bodies := map[string]string{
		"Steer": `{"virtual_server":"v","real_server":"10.0.0.1:80","weight":1}`, "Name": `{"instance":"i"}`, "Switch": `{"on":true}`,
		"Announcing": `{"announce":"a"}`,
	}
	for path, methods := range doc["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			op := operation.(map[string]any)
			name := method + " " + path
			body := ""
			if r, ok := op["requestBody"].(map[string]any); ok {
				ref := dig(r, "content", "application/json", "schema", "$ref").(string)
				body = bodies[filepath.Base(ref)]
				if body == "" {
					t.Errorf("%s: no body known for %s", name, ref)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			if strings.HasSuffix(path, "/stream") {
				cancel() // one round, then the client is gone
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(strings.ToUpper(method), path, strings.NewReader(body)).WithContext(ctx))
			cancel()
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
				continue
			}
			promised := dig(op, "responses", "200", "content").(map[string]any)
			for media, c := range promised {
				if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, media) {
					t.Errorf("%s: answers %s, promised %s", name, got, media)
				}
				if media == "application/json" {
					var answer any
					if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					conforms(t, name, c.(map[string]any)["schema"].(map[string]any), answer, schemas)
				}
			}
		}
	}
}

func dig(v any, keys ...string) any {
	for _, k := range keys {
		v = v.(map[string]any)[k]
	}
	return v
}

// conforms checks a value against the part of JSON Schema that the document uses.
func conforms(t *testing.T, at string, schema map[string]any, v any, schemas map[string]any) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = schemas[filepath.Base(ref)].(map[string]any)
	}
	kind := map[bool]string{true: "?"}[schema["type"] == nil]
	if kind == "" {
		kind = schema["type"].(string)
	}
	switch x := v.(type) {
	case map[string]any:
		properties, closed := schema["properties"].(map[string]any)
		if kind != "object" && kind != "?" {
			t.Errorf("%s: an object, promised %s", at, kind)
		}
		if required, ok := schema["required"].([]any); ok {
			for _, r := range required {
				if _, there := x[r.(string)]; !there {
					t.Errorf("%s: %s is promised and not there", at, r)
				}
			}
		}
		for key, value := range x {
			if p, ok := properties[key].(map[string]any); ok {
				conforms(t, at+"."+key, p, value, schemas)
			} else if closed {
				t.Errorf("%s: %s is not in the document", at, key)
			}
		}
	case []any:
		if kind != "array" {
			t.Errorf("%s: a list, promised %s", at, kind)
			return
		}
		for i, item := range x {
			conforms(t, fmt.Sprintf("%s[%d]", at, i), schema["items"].(map[string]any), item, schemas)
		}
	case string:
		if words, ok := schema["enum"].([]any); ok && !slices.Contains(words, any(x)) {
			t.Errorf("%s: %q is none of %v", at, x, words)
		}
		if kind != "string" && kind != "?" {
			t.Errorf("%s: a string, promised %s", at, kind)
		}
	case float64:
		if kind != "number" && kind != "integer" {
			t.Errorf("%s: a number, promised %s", at, kind)
		}
	case bool:
		if kind != "boolean" {
			t.Errorf("%s: a truth value, promised %s", at, kind)
		}
	case nil:
		t.Errorf("%s: null", at)
	}
}
