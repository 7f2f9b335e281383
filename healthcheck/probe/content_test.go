package probe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/healthcheck"
)

// TestBodyAsKeepalivedJudgesIt: the digest that genhash prints, and a pattern that
// must not match.
func TestBodyAsKeepalivedJudgesIt(t *testing.T) {
	for _, tc := range []struct {
		h    healthcheck.HTTP
		want string // in the reason; "" for a pass
	}{
		{healthcheck.HTTP{ExpectBodyMD5: "9A0364B9E99BB480DD25E1F0284C8555"}, ""}, // printf content | md5sum
		{healthcheck.HTTP{ExpectBodyMD5: strings.Repeat("0", 32)}, "has MD5 9a0364b9e99bb480dd25e1f0284c8555, want 0000"},
		{healthcheck.HTTP{RejectBodyRegex: "err|fail"}, ""},
		{healthcheck.HTTP{RejectBodyRegex: "t[a-e].."}, `the body of / matches "t[a-e]..", which it must not, from byte 3 on`},
	} {
		tc.h.ExpectStatus = []healthcheck.StatusRange{{From: 200, To: 299}}
		a := answer{Status: 200, body: bodyFor(&tc.h, nil)}
		a.body.Write([]byte("content"))
		err := judgeAnswer(t.Context(), &tc.h, "/", &a)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v: %v, not %q", tc.h, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "tent") {
			t.Errorf("%v: tells of the page what it was not to hold", err)
		}
		if !tc.h.LooksAtBody() {
			t.Errorf("%+v does not read the body", tc.h)
		}
	}
}

// newHTTPAnswer is one to a request that wants nothing in particular.
func newHTTPAnswer() *httpAnswer {
	h := settings(&healthcheck.Check{})
	var a httpAnswer
	a.reset(&h)
	return &a
}

// TestHeadersWithoutEnd: a server whose headers, interim answers or trailers do not
// end is not listened to until the timeout.
func TestHeadersWithoutEnd(t *testing.T) {
	for name, text := range map[string]string{
		"headers":         "HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", headersMost+1),
		"interim answers": strings.Repeat("HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n", headersMost),
		"trailers":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("a: b\r\n", headersMost+1),
	} {
		done, err := newHTTPAnswer().feed([]byte(text), false)
		if err == nil || !strings.Contains(err.Error(), "more than 1000 lines before and after its body") {
			t.Errorf("%s: %t, %v", name, done, err)
		}
	}
	enough := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + strings.Repeat("a: b\r\n", headersMost-3) + "\r\n"
	if done, err := newHTTPAnswer().feed([]byte(enough), false); !done || err != nil {
		t.Errorf("%d lines: %t, %v", headersMost, done, err)
	}
}

// TestFileThatHoldsZero is FILE_CHECK of weight 0.
func TestFileThatHoldsZero(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maintenance")
	check := &healthcheck.Check{File: &healthcheck.File{Path: path, Mode: "zero"}}
	for _, step := range []struct {
		text string
		up   bool
	}{{"-", true}, {"", true}, {"0\n", true}, {"1\n", false}, {"-3", false}, {"yes", false}, {"0", true}} {
		if step.text != "-" {
			if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if r := file(t.Context(), check); (r.Outcome == healthcheck.Pass) != step.up {
			t.Errorf("%q: %+v", step.text, r)
		}
	}
}
