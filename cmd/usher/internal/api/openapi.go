package api

import (
	_ "embed" // the descriptions
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// descriptions.json holds the comments of the documents' types and fields, by Type and
// Type.field. It is made from them by: go test ./cmd/usher/internal/api -run Descriptions -update
//
//go:embed descriptions.json
var descriptionsJSON []byte

// described gives the descriptions; the embedded file is a test's concern.
func described() map[string]string {
	all := map[string]string{}
	if err := json.Unmarshal(descriptionsJSON, &all); err != nil {
		panic("api: descriptions.json: " + err.Error())
	}
	return all
}

// Document is the OpenAPI 3.1 description of every operation, made from the table
// of routes and the types of the documents, so that it cannot differ from them.
func Document() map[string]any {
	schemas := map[string]any{}
	docs := described()
	paths := map[string]any{}
	for _, r := range routes() {
		op := map[string]any{
			"summary":     r.summary,
			"operationId": operationID(r),
			"responses":   responses(r, schemas),
		}
		if len(r.query) > 0 {
			var all []any
			for _, p := range r.query {
				all = append(all, map[string]any{"name": p.name, "in": "query", "description": p.doc, "schema": map[string]any{"type": p.kind}})
			}
			op["parameters"] = all
		}
		if r.request != nil {
			op["requestBody"] = map[string]any{"required": true, "content": content(jsonMedia, schema(reflect.TypeOf(r.request), schemas))}
		}
		if r.steers {
			op["description"] = "Through the control socket, or over TLS with a client certificate; 403 elsewhere."
		}
		at, ok := paths[r.path].(map[string]any)
		if !ok {
			at = map[string]any{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = op
	}
	for name, s := range schemas {
		s := s.(map[string]any)
		if d := docs[name]; d != "" {
			s["description"] = d
		}
		for key, p := range s["properties"].(map[string]any) {
			if d := docs[name+"."+key]; d != "" {
				p.(map[string]any)["description"] = d
			}
		}
	}
	return map[string]any{
		"openapi":    "3.1.0",
		"info":       map[string]any{"title": "usher", "version": "1", "description": "Status and steering of a director for Linux Virtual Server."},
		"paths":      paths,
		"components": map[string]any{"schemas": schemas},
	}
}

func operationID(r route) string {
	path := strings.NewReplacer("/api/v1/", "", "/", "", ".json", "").Replace(r.path)
	return strings.ToLower(r.method) + "-" + path
}

func responses(r route, schemas map[string]any) map[string]any {
	var ok any = map[string]any{"type": "string"}
	if r.answer != nil {
		ok = schema(reflect.TypeOf(r.answer), schemas)
	}
	failure := content(jsonMedia, schema(reflect.TypeFor[Failure](), schemas))
	all := map[string]any{"200": map[string]any{"description": "Done", "content": content(r.media, ok)}}
	for _, code := range failures(r) {
		all[fmt.Sprint(code)] = map[string]any{"description": meanings[code], "content": failure}
	}
	if r.answer != nil && reflect.TypeOf(r.answer) == reflect.TypeFor[Health]() {
		all["503"] = map[string]any{"description": "A person is needed now", "content": content(r.media, ok)}
	}
	return all
}

// meanings are what the statuses of failures say.
var meanings = map[int]string{
	http.StatusBadRequest:           "The request is not understood",
	http.StatusUnauthorized:         "The client certificate lets in no more",
	http.StatusForbidden:            "This address is read-only, or the order comes from a foreign web page",
	http.StatusNotFound:             "No object has that name",
	http.StatusMisdirectedRequest:   "This address is not called by that name (global.http_hosts)",
	http.StatusUnsupportedMediaType: "The body is not sent as application/json (remote steering only)",
	http.StatusUnprocessableEntity:  "Understood and refused; nothing was changed",
	http.StatusInternalServerError:  "It failed on this machine",
	http.StatusServiceUnavailable:   "As many answers or streams as there may be are on their way",
}

// failures are the statuses of a route's failures.
func failures(r route) []int {
	codes := []int{http.StatusUnauthorized, http.StatusMisdirectedRequest, http.StatusServiceUnavailable}
	if len(r.query) > 0 || r.request != nil {
		codes = append(codes, http.StatusBadRequest)
	}
	if r.steers {
		codes = append(codes, http.StatusForbidden, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusInternalServerError)
	}
	if r.request != nil {
		codes = append(codes, http.StatusNotFound)
	}
	return codes
}

func content(media string, schema any) map[string]any {
	return map[string]any{media: map[string]any{"schema": schema}}
}

// schema describes a Go type as encoding/json writes it. Named structs go to
// schemas and are referred to.
func schema(t reflect.Type, schemas map[string]any) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schema(t.Elem(), schemas)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schema(t.Elem(), schemas)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schema(t.Elem(), schemas)}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Struct:
		return reference(t, schemas)
	}
	return map[string]any{} // any value
}

func reference(t reflect.Type, schemas map[string]any) map[string]any {
	name := t.Name()
	if _, known := schemas[name]; !known {
		schemas[name] = nil // breaks a cycle
		properties := map[string]any{}
		required := []string{}
		for i := range t.NumField() {
			key, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if key == "-" {
				continue
			}
			p := schema(t.Field(i).Type, schemas)
			if words := t.Field(i).Tag.Get("enum"); words != "" {
				p["enum"] = strings.Split(words, ",")
			}
			properties[key] = p
			if options != "omitempty" {
				required = append(required, key)
			}
		}
		schemas[name] = map[string]any{"type": "object", "properties": properties, "required": required}
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}
