package http_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/director/discover"
	reader "usher/director/discover/http"
)

const good = `[{"targets": ["10.0.0.1:80", "10.0.0.2:80"]}]`

func readFile(_ context.Context, path string) ([]byte, error) { return os.ReadFile(path) }

// ask reads what a handler serves.
func ask(t *testing.T, h http.HandlerFunc) discover.Answer {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	r := reader.New(source(s.URL), readFile)
	defer r.Close()
	return r.Read(t.Context())
}

func source(url string) discover.Source {
	return discover.Source{Kind: discover.KindHTTP, HTTP: &discover.HTTP{URL: url}}
}

func reason(a discover.Answer) discover.Reason {
	if a.Failure == nil {
		return ""
	}
	return a.Failure.Reason
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  discover.Reason
	}{
		"good":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, good) }, ""},
		"empty": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }, ""},
		"page":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, discover.ReasonMalformed},
		"error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, good, http.StatusInternalServerError) }, discover.ReasonStatus},
		"gone":  {http.NotFound, discover.ReasonStatus},
		"partly": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNonAuthoritativeInfo)
			fmt.Fprint(w, good)
		}, discover.ReasonStatus},
		"large": {func(w http.ResponseWriter, _ *http.Request) {
			for range 5 << 10 {
				fmt.Fprint(w, strings.Repeat(" ", 1<<10))
			}
		}, discover.ReasonTooLarge},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, good)
		}, discover.ReasonMalformed},
		"loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, discover.ReasonStatus},
	} {
		if a := ask(t, c.serve); reason(a) != c.want {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A "not modified" confirms the list of before; a list that was no answer is asked for anew.
func TestETag(t *testing.T) {
	var asked []string
	body := good
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("If-None-Match"))
		if r.Header.Get("If-None-Match") == `"1"` && body == good {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	r := reader.New(source(s.URL), readFile)
	defer r.Close()
	for range 2 {
		if a := r.Read(t.Context()); len(a.Entries) != 2 {
			t.Errorf("%+v", a)
		}
	}
	body = "nonsense"
	if a := r.Read(t.Context()); reason(a) != discover.ReasonMalformed {
		t.Errorf("%+v", a)
	}
	body = good
	if a := r.Read(t.Context()); len(a.Entries) != 2 {
		t.Errorf("%+v", a)
	}
	if want := []string{"", `"1"`, `"1"`, ""}; fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked with %q", asked)
	}
}

// The token is read each time, sent to the host that is asked, and to no other.
func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	var there, elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
		fmt.Fprint(w, good)
	}))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there = append(there, r.Header.Get("Authorization"))
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	}))
	defer s.Close()
	c := source(s.URL)
	c.HTTP.TokenFile = file
	r := reader.New(c, readFile)
	defer r.Close()
	if a := r.Read(t.Context()); reason(a) != discover.ReasonUnreadable {
		t.Errorf("without the file: %+v", a)
	}
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := r.Read(t.Context()); len(a.Entries) != 2 {
			t.Errorf("%+v", a)
		}
	}
	if fmt.Sprint(there) != "[Bearer first Bearer second]" || strings.TrimSpace(strings.Join(elsewhere, "")) != "" {
		t.Errorf("there %q, elsewhere %q", there, elsewhere)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	client := httptest.NewUnstartedServer(nil) // whose certificate is the client's
	client.StartTLS()
	defer client.Close()
	pair := client.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, keyFile := write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain" {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			return
		}
		fmt.Fprint(w, good)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := write("ca.pem", "CERTIFICATE", s.Certificate().Raw)
	for name, c := range map[string]struct {
		change func(*discover.HTTP)
		want   discover.Reason
	}{
		"good":              {func(h *discover.HTTP) {}, ""},
		"another authority": {func(h *discover.HTTP) { h.CAFile = "" }, discover.ReasonTLS},
		"unverified":        {func(h *discover.HTTP) { h.CAFile, h.Insecure = "", true }, ""},
		"another name":      {func(h *discover.HTTP) { h.ServerName = "cmdb.invalid" }, discover.ReasonTLS},
		"no certificate":    {func(h *discover.HTTP) { h.CertFile, h.KeyFile = "", "" }, discover.ReasonTLS},
		"no authority":      {func(h *discover.HTTP) { h.CAFile = keyFile }, discover.ReasonTLS},
		"no file":           {func(h *discover.HTTP) { h.CAFile = filepath.Join(dir, "none") }, discover.ReasonTLS},
		"to plain HTTP":     {func(h *discover.HTTP) { h.URL += "/plain" }, discover.ReasonTLS},
	} {
		src := source(s.URL)
		src.HTTP.CAFile, src.HTTP.CertFile, src.HTTP.KeyFile = ca, cert, keyFile
		c.change(src.HTTP)
		r := reader.New(src, readFile)
		if a := r.Read(t.Context()); reason(a) != c.want {
			t.Errorf("%s: %+v", name, a.Failure)
		}
		r.Close()
	}
	if a := reader.New(source(strings.Replace(s.URL, "https", "http", 1)), readFile).Read(t.Context()); reason(a) != discover.ReasonStatus {
		t.Errorf("HTTP to TLS: %+v", a.Failure)
	}
}

func TestNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if a := reader.New(source("http://"+l.Addr().String()), readFile).Read(ctx); reason(a) != discover.ReasonTimeout {
		t.Errorf("silence: %+v", a)
	}
	_ = l.Close()
	a := reader.New(source("http://user:secret@"+l.Addr().String()+"/?token=secret"), readFile).Read(t.Context())
	if reason(a) != discover.ReasonUnreachable || strings.Contains(a.Failure.Text, "secret") {
		t.Errorf("refused: %+v", a.Failure)
	}
}
