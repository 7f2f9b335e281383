package native

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/test/browser"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// screenshots is where they are left for the reader; git ignores it.
const screenshots = "../../artifacts/screenshots"

// doorway makes the status page of a node's usher reachable from this machine.
func doorway(t *testing.T, n *lab.Node) string {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:9765"}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1                    // each server-sent event at once
	proxy.ErrorLog = log.New(io.Discard, "", 0) // streams end with the daemon
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
		doErr := n.Do(func() error {
			var d net.Dialer
			c, err = d.DialContext(ctx, network, address)
			return err
		})
		return c, doErr
	}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL
}

// visit opens the page in headless Chromium.
func visit(t *testing.T, page string) context.Context {
	t.Helper()
	ctx := browser.New(t, 1280, 800)
	labtest.Must(t, chromedp.Do(ctx, chromedp.Navigate(page)))
	return ctx
}

// show waits until the page has what a CSS selector finds.
func show(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector))); err != nil {
		t.Fatalf("the page does not show %s: %v", selector, err)
	}
}

func read(t *testing.T, ctx context.Context, script string) string {
	t.Helper()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
	labtest.Must(t, err)
	return text
}

// TestPage: what the page of each director shows equals `usher status --json`, it
// turns with a takeover without being loaded again, and says when nobody answers.
func TestPage(t *testing.T) {
	l, a, b := pair(t)
	ctx := visit(t, doorway(t, l.B))
	show(t, ctx, `.live [data-instance=web][data-state=backup]`)

	compare := func() {
		t.Helper()
		var s struct {
			RouterID  string `json:"router_id"`
			Instances []struct {
				Name, State, Reason string
				ActiveRouter        string `json:"active_router"`
				Addresses           []string
				Interface           string
			}
		}
		labtest.Must(t, json.Unmarshal([]byte(usher(t, l.B, "status", "--json")), &s))
		shown := read(t, ctx, `document.body.innerText`)
		i := s.Instances[0]
		for _, want := range []string{s.RouterID, i.Name, i.State, i.Reason, i.ActiveRouter, i.Addresses[0], i.Interface} {
			if !strings.Contains(shown, want) {
				t.Errorf("status has %q, the page does not:\n%s", want, shown)
			}
		}
	}
	compare()

	labtest.Must(t, a.Stop())
	show(t, ctx, `[data-instance=web][data-state=active]`)
	show(t, ctx, `#events li`)
	compare()
	if title := read(t, ctx, `document.title`); !strings.Contains(title, "active for web") {
		t.Errorf("title %q", title)
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	labtest.Must(t, err)
	labtest.Must(t, os.MkdirAll(screenshots, 0o755))
	labtest.Must(t, os.WriteFile(filepath.Join(screenshots, "takeover.png"), png, 0o644))

	labtest.Must(t, b.Stop())
	show(t, ctx, `.lost #linktext`)
	if n := read(t, ctx, `performance.getEntriesByType('navigation').length + ''`); n != "1" {
		t.Errorf("the page was loaded %s times", n)
	}
}
