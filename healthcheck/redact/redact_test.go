package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"usher/healthcheck/redact"
)

// TestForms: a secret is found in every way in which texts write it, amid others.
func TestForms(t *testing.T) {
	for _, secret := range []string{"obsidian-granite", `obs"id\ian <gr&nite>/é`, "obsidian+/=", "tuff5"} {
		document, err := json.Marshal(map[string]string{"text": secret})
		if err != nil {
			t.Fatal(err)
		}
		set := redact.Everywhere([]string{"another-secret", secret, "yet-another"})
		for name, text := range map[string]string{
			"as it is": "it says " + secret + ".", "quoted": fmt.Sprintf("it says %q", secret), "JSON": string(document),
			"query": "GET /x?k=" + url.QueryEscape(secret) + "&a=b", "path": "GET /" + url.PathEscape(secret) + "/x", "HTML": "<p>" + html.EscapeString(secret) + "</p>",
			"base64": "it says " + base64.StdEncoding.EncodeToString([]byte(secret)), "hexadecimal": "0x" + hex.EncodeToString([]byte(secret)),
		} {
			got := set.Text(text)
			if !strings.Contains(got, redact.Hidden) || strings.Contains(got, secret) {
				t.Errorf("%s: %q is %q", name, text, got)
			}
			if name != "JSON" && len(got) > len(redact.Hidden)+len("GET /x?k=&a=b") {
				t.Errorf("%s: %q leaves %q", name, text, got)
			}
		}
	}
	// In base64 with something before and after, as basic authentication has it.
	for _, user := range []string{"", "a", "ab", "abc"} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			whole := encoding.EncodeToString([]byte(user + ":obsidian?granite>:" + user))
			got := redact.Everywhere([]string{"obsidian?granite>"}).Text(whole)
			if rest := strings.ReplaceAll(got, redact.Hidden, ""); rest == whole || len(rest) > len(whole)-20 {
				t.Errorf("%s is %s", whole, got)
			}
		}
	}
}

// TestLine: where a secret ends and a word begins that must stay readable.
func TestLine(t *testing.T) {
	set := redact.Everywhere([]string{"80", "eth0", "", "65535", "1234567", "192.0.2.1", "2001:db8::/64", "192.0.2.1:8080", "hunter2", "obsidian", "12345678"})
	for text, want := range map[string]string{
		"port 80 on eth0, 65535 of 1234567":             "port 80 on eth0, 65535 of 1234567",
		"192.0.2.1 and 192.0.2.1:8080, 2001:db8::/64":   "192.0.2.1 and 192.0.2.1:8080, 2001:db8::/64",
		`interface "hunter2", hunter2; hunter2`:         `interface "(hidden)", (hidden); (hidden)`,
		"the hunter2s of hunter2_a, xhunter2, hunter":   "the hunter2s of hunter2_a, xhunter2, hunter",
		"xobsidians, code 12345678":                     "x(hidden)s, code (hidden)",
		`begins with "xyz-obsid"... and "hunter"... so`: `begins with "xyz-(hidden)"... and "hunter"... so`,
	} {
		if got := set.Text(text); got != want {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
	if got := set.Stars(`  on "obsidian", hunter2`); got != `  on "********", *******` {
		t.Error(got)
	}
	if redact.Everywhere([]string{"eth0"}) != nil {
		t.Error("a set of nothing to look for")
	}
	var none *redact.Set
	if none.Text("a") != "a" || none.Stars("a") != "a" || string(none.JSON([]byte("1"))) != "1" || !errors.Is(none.Error(fs.ErrExist), fs.ErrExist) {
		t.Error("the empty set changes something")
	}
}

// TestJSON: a document without secrets is one still, and says the same but for them.
func TestJSON(t *testing.T) {
	set := redact.Everywhere([]string{"reason-x", `ob"sid\ian`, "12345678", "obsidian"})
	for document, want := range map[string]string{
		`{"reason-x":"the reason-x","n":12345678,"a":[true,"x"]}`: `{"reason-x":"the (hidden)","n":12345678,"a":[true,"x"]}`,
		`{"a":"say \"ob\"sid\\ian\" \u003c","b":"\n"}`:            `{"a":"say \"(hidden)\" \u003c","b":"\n"}`,
		`["begins with \"xx obsid\"... so"]`:                      `["begins with \"xx (hidden)\"... so"]`,
		`{"a":{"b":"no secret"},"c":"obsidi` + `\u0061n"}`:        `{"a":{"b":"no secret"},"c":"(hidden)"}`,
		`{"a":"unfinished obsidian`:                               `{"a":"unfinished obsidian`,
	} {
		if got := string(set.JSON([]byte(document))); got != want {
			t.Errorf("%s\nis  %s\nnot %s", document, got, want)
		}
	}
}

// TestError: an error without the secret is the same error to programs.
func TestError(t *testing.T) {
	set := redact.Exactly("ab")
	err := fmt.Errorf("no ab: %w", fs.ErrNotExist)
	got := set.Error(err)
	if got.Error() != "no (hidden): file does not exist" || !errors.Is(got, fs.ErrNotExist) {
		t.Error(got)
	}
	if got := set.Error(nil); got != nil {
		t.Error(got)
	}
}

// TestLive: what a program has no more stays hidden, but not for ever.
func TestLive(t *testing.T) {
	var l redact.Live
	if got := l.Text("first-secret"); got != "first-secret" {
		t.Error(got)
	}
	l.Know([]string{"first-secret", "stays-secret"})
	for batch := range 6 {
		now := []string{"stays-secret"}
		for i := range 500 {
			now = append(now, fmt.Sprintf("secret-number-%d", batch*500+i))
		}
		l.Know(now)
	}
	for secret, hidden := range map[string]bool{"first-secret": false, "stays-secret": true, "secret-number-2999": true, "secret-number-1500": true, "secret-number-499": false} {
		if got := l.Text("a "+secret) == "a "+redact.Hidden; got != hidden {
			t.Errorf("%s: %s", secret, l.Text("a "+secret))
		}
	}
}

// BenchmarkDocument is a status that is looked through for many secrets.
func BenchmarkDocument(b *testing.B) {
	var secrets []string
	for i := range 200 {
		secrets = append(secrets, fmt.Sprintf("%x-secret-%d", i*7919, i))
	}
	set := redact.Everywhere(secrets)
	var list []map[string]string
	for i := range 10000 {
		list = append(list, map[string]string{"address": fmt.Sprintf("10.0.%d.%d:80", i/256, i%256), "state": "up", "reason": "HTTP status 200 in 3 ms"})
	}
	document, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(document)))
	for b.Loop() {
		set.JSON(document)
	}
}
