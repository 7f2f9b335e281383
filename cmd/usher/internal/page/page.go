// Package page is the status page: one HTML document with its style and script
// inside, which loads nothing from anywhere but the status streams of the usher
// that serves it, and changes nothing.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

var (
	//go:embed page.html
	document string
	//go:embed page.css
	style string
	//go:embed dom.js
	dom string
	//go:embed view.js
	view string
	//go:embed directors.js
	directors string
	//go:embed live.js
	live string
)

// Handler serves the page at /.
func Handler() http.Handler {
	script := dom + view + directors + live
	body := []byte(strings.NewReplacer("/*style*/", style, "/*script*/", script).Replace(document))
	policy := fmt.Sprintf("default-src 'none'; connect-src 'self'; img-src data:; style-src %s; script-src %s; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hash(style), hash(script))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// hash names an inline part to the browser's policy: nothing else may run.
func hash(part string) string {
	sum := sha256.Sum256([]byte(part))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
