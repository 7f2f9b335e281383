package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"usher/test/lab"
)

// patience is how long a page may take to show something, even in an emulated machine.
const patience = 2 * time.Minute

// Visit opens a page in a browser of its own. The context is for the functions here
// and for package chromedp.
func Visit(t *testing.T, url string) context.Context {
	t.Helper()
	ctx := New(t, 1280, 800)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	Mark(t, ctx)
	return ctx
}

// Mark marks the page, for Once.
func Mark(t *testing.T, ctx context.Context) {
	t.Helper()
	// A document that is loaded again does not have it any more.
	Evaluate[bool](t, ctx, `document.usherMark = true`)
}

// Once fails the test where the page was loaded again since Visit or Mark.
func Once(t *testing.T, ctx context.Context) {
	t.Helper()
	if !Evaluate[bool](t, ctx, `document.usherMark === true`) {
		t.Error("the page was loaded again")
	}
}

// Show waits until the page shows what a CSS selector finds.
func Show(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector))); err != nil {
		t.Fatalf("the page does not show %s: %v", selector, err)
	}
}

// Until waits until a script's value is true on the page.
func Until(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](script, chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(patience))); err != nil {
		t.Fatalf("never true on the page: %s: %v", script, err)
	}
}

// Evaluate runs a script on the page and returns its value.
func Evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Dark makes the page think that its reader likes it dark.
func Dark(t *testing.T, ctx context.Context) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Phone gives the page the screen of a phone, and fails the test where the page
// does not fit its width.
func Phone(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	if Evaluate[bool](t, ctx, `document.documentElement.scrollWidth > innerWidth`) {
		t.Error("on a phone the page scrolls sideways")
	}
}

// Shoot leaves a screenshot of the whole page for the reader.
func Shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	shoot(t, ctx, name, chromedp.FullScreenshot(100))
}

// ShootTop leaves a screenshot of what is seen without scrolling.
func ShootTop(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	shoot(t, ctx, name, chromedp.CaptureScreenshot())
}

func shoot(t *testing.T, ctx context.Context, name string, camera chromedp.Action[[]byte]) {
	t.Helper()
	png, err := chromedp.Run(ctx, camera)
	if err == nil {
		err = save(name, png)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("screenshot %s: %w", name, err))
	}
}

func save(name string, png []byte) error {
	root, err := lab.Root()
	if err != nil {
		return err
	}
	dir := lab.Screenshots(root)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
}
