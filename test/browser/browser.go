// Package browser runs headless Chromium for tests of pages. Nothing of it is left
// when the test ends: what Chromium would keep in the home folder and in /tmp goes
// into a folder that is removed.
package browser

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/test/lab"
	"usher/test/lab/chromium"
)

// Limits of Chromium, for an emulated machine: how long it may take until it answers,
// and to close itself before it is killed, which leaves some of its processes and
// files behind for a while.
const (
	starting = 3 * time.Minute
	closing  = time.Minute
)

// New starts a browser with a window of that size, in pixels; the test's end closes
// it. The context is for package chromedp.
func New(t *testing.T, width, height int) context.Context {
	t.Helper()
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	program, err := chromium.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "usher-browser-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(width, height), chromedp.WSURLReadTimeout(starting),
		chromedp.Env("HOME="+dir, "TMPDIR="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir))
	alloc, kill := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		limit, stop := context.WithTimeout(ctx, closing)
		defer stop()
		if err := chromedp.Cancel(limit); err != nil {
			t.Logf("close the browser: %v", err)
		}
		cancel()
		kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("remove the browser's folder: %v", err)
		}
	})
	// Started with this context, it lives as long as this one, not as one made from it.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}
