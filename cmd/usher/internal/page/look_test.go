package page_test

import (
	"flag"
	"fmt"
	"image"
	_ "image/png" // the format of screenshots
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/test/browser"
)

// TestKeyboardAndScreenReader: everything has a name, rows open by keyboard.
func TestKeyboardAndScreenReader(t *testing.T) {
	s := status(20, 2) // too many to stand open
	s.VirtualServers[5].Up = false
	s.VirtualServers[3].RealServers[0].State, s.VirtualServers[3].RealServers[1].State = "down", "draining"
	s.Warnings = []api.Warning{
		{Severity: "error", Kind: "quorum", Subject: "pool5", Text: "quorum lost", Since: time.Now()},
		{Severity: "warning", Kind: "drift", Subject: "pool3", Text: "put back", Since: time.Now()},
	}
	f := open(t, s)
	f.do(t,
		chromedp.Focus(chromedp.CSS(`[data-vs=pool3] summary`)),
		chromedp.KeyEvent("\r"),
		chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool3] [data-rs]`)))
	nameless := f.text(t, `[...document.querySelectorAll('input,button,a,summary,section,article,svg,table')].filter(e =>
		!(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length || e.textContent.trim())).map(e => e.outerHTML.slice(0, 80)).join('\n')`)
	if nameless != "" {
		t.Errorf("without a name for a screen reader:\n%s", nameless)
	}
	for _, theme := range []string{"light", "dark"} {
		if faint := f.text(t, `useTheme('`+theme+`'); `+contrast); faint != "" {
			t.Errorf("%s: less contrast than 4.5 (WCAG 2.2, 1.4.3):\n%s", theme, faint)
		}
	}
	f.do(t, chromedp.KeyEvent("/"))
	if got := f.text(t, `document.activeElement.id`); got != "filter" {
		t.Errorf("the key / focuses %q", got)
	}
}

// contrast lists the texts that are hard to read on their ground.
const contrast = `(() => {
	const ctx = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
	const rgb = c => { ctx.clearRect(0, 0, 1, 1); ctx.fillStyle = c; ctx.fillRect(0, 0, 1, 1); return ctx.getImageData(0, 0, 1, 1).data; };
	const light = c => [0, 1, 2].map(i => rgb(c)[i] / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
	const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] === 255) return c; } return 'white'; };
	const faint = new Set();
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
		const a = light(getComputedStyle(e).color), b = light(ground(e));
		const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (ratio < 4.5) faint.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 30));
	}
	return [...faint].join('\\n');
})()`

var picture = flag.Bool("picture", false, "draw the picture of the README anew")

// TestPicture: the README's picture is of this page. It is drawn anew on demand
// alone, as fonts differ from machine to machine.
func TestPicture(t *testing.T) {
	const file = "../../../../conf/examples/status-page.png"
	if *picture {
		f := open(t, troubled())
		f.do(t, chromedp.EmulateViewport(1180, 920))
		f.Events().Add(events.Event{Severity: events.Warning, Kind: "real_server", VirtualServer: "shop", RealServer: "10.0.1.2:80", From: "up", To: "down", Reason: "http: connection refused"})
		f.do(t, chromedp.WaitVisible(chromedp.CSS(`#events .warning-line`)))
		if err := os.WriteFile(file, get(t, f, chromedp.CaptureScreenshot()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	png, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer png.Close()
	c, format, err := image.DecodeConfig(png)
	if info, statErr := png.Stat(); err != nil || statErr != nil || format != "png" || c.Width < 800 || info.Size() > 200_000 {
		t.Errorf("%s: %+v, %v, %v", file, c, err, statErr)
	}
}

// troubled is a director whom one server of one pool has just failed.
func troubled() api.Status {
	s := status(3, 4)
	for i, name := range []string{"www", "shop", "imap"} {
		s.VirtualServers[i].Name = name
	}
	r := &s.VirtualServers[1].RealServers[1]
	r.State, r.EffectiveWeight, r.Since, r.Reason = "down", 0, time.Now(), "http: connection refused"
	r.ActiveConnections, r.Counters = 0, api.Counters{}
	r.Checks = []api.Check{{Type: "http", State: "down", LastError: "connection refused"}}
	s.Warnings = []api.Warning{{Severity: "warning", Kind: "certificate", Subject: "shop 10.0.1.4:443", Text: "the certificate of shop.example.org ends in 9 days", Since: time.Now().Add(-time.Hour)}}
	return s
}

// TestWidths: from a telephone to a wide screen nothing is off the screen, cut or laid
// over something else, and the reason of a server that is down has room to be read.
func TestWidths(t *testing.T) {
	s := troubled()
	s.VirtualServers[1].RealServers[1].Reason = "http: Get \"http://10.0.1.2:80/healthz\": dial tcp 10.0.1.2:80: connect: connection refused; 3 failures in a row"
	s.VirtualServers[1].RealServers[2].Address = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"
	s.VirtualServers[1].RealServers[3].EffectiveWeight, s.VirtualServers[1].RealServers[3].Weight = 7, 2
	s.VirtualServers[2].Up, s.VirtualServers[2].Sorry, s.VirtualServers[2].Reason = false, true, "0 of 4 servers up: the sorry server answers"
	s.VirtualServers[2].Name = "a-virtual-server-with-a-rather-long-name-in-production"
	f := open(t, s)
	f.Events().Add(events.Event{Severity: events.Error, Kind: "quorum", VirtualServer: "imap", To: "down", Reason: "0 of 4 servers up"})
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`#events .error-line`)))
	for _, width := range []int64{390, 561, 641, 768, 1001, 1024, 1201, 1440} {
		f.do(t, chromedp.EmulateViewport(width, 1400))
		if bad := f.text(t, misplaced); bad != "" {
			t.Errorf("%d px wide:\n%s", width, bad)
		}
		browser.Shoot(t, f.ctx, fmt.Sprint("width-", width))
	}
}

// misplaced lists what is off the screen, cut, on top of something else, or too narrow.
const misplaced = `(() => {
	const bad = [], wide = document.documentElement.clientWidth;
	const name = e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40);
	if (document.documentElement.scrollWidth > wide) bad.push('the page scrolls sideways: ' + document.documentElement.scrollWidth);
	for (const e of document.querySelectorAll('main *')) {
		if (!e.checkVisibility() || e.closest('svg, .hidden, thead')) continue;
		const box = e.getBoundingClientRect();
		if (box.width && (box.right > wide + 1 || box.left < -1)) bad.push('off the screen: ' + name(e));
		if (getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1) bad.push('cut: ' + name(e));
	}
	for (const e of document.querySelectorAll('tr.why:not([hidden]) td')) {
		const room = e.closest('.inside').clientWidth;
		if (e.getBoundingClientRect().width < .8 * (room - 40)) bad.push('narrow: ' + name(e));
	}
	for (const row of document.querySelectorAll('tr, summary')) {
		const cells = [...row.children].filter(c => c.checkVisibility()).map(c => [c, c.getBoundingClientRect()]);
		for (const [a, x] of cells) for (const [b, y] of cells)
			if (a !== b && x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1) bad.push('over each other: ' + name(a) + ' / ' + name(b));
	}
	return [...new Set(bad)].join('\\n');
})()`
