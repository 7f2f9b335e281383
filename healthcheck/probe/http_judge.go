package probe

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strings"

	"usher/healthcheck"
)

// judgeAnswer says what is wrong with an answer; nil if nothing is. It ends with ctx.
func judgeAnswer(ctx context.Context, h *healthcheck.HTTP, path string, a *answer) error {
	if !wanted(h.ExpectStatus, a.Status) {
		return judge("%s%s answered status %d, want %s", h.Method+" ", path, a.Status, ranges(h.ExpectStatus))
	}
	body, long, find := a.body.Bytes, "", searchWhole
	if a.body.cut() {
		find = searchPart
		long = fmt.Sprintf(" (only its first %d bytes were looked at)", answerMost)
	}
	if h.ExpectBody != "" && !bytes.Contains(body, []byte(h.ExpectBody)) {
		return judge("the body of %s does not hold %s%s: it begins with %s", path, quote(h.ExpectBody), long, quote(body))
	}
	if h.ExpectBodyRegex != "" {
		pattern, err := regexp.Compile(h.ExpectBodyRegex)
		if err != nil {
			return ownFault("expect_body_regex: %v", err)
		}
		found, err := find(ctx, pattern, body)
		if err != nil {
			return err
		}
		if found == nil {
			return judge("the body of %s does not match %s%s: it begins with %s", path, quote(h.ExpectBodyRegex), long, quote(body))
		}
	}
	if h.RejectBodyRegex != "" {
		pattern, err := regexp.Compile(h.RejectBodyRegex)
		if err != nil {
			return ownFault("reject_body_regex: %v", err)
		}
		// What a page is not to show is not shown here either: a pattern may be there
		// to find a secret.
		found, err := find(ctx, pattern, body)
		if err != nil {
			return err
		}
		if found != nil {
			return judge("the body of %s matches %s%s, which it must not, from byte %d on", path, quote(h.RejectBodyRegex), long, found[0])
		}
	}
	for _, x := range []struct {
		name, want string
		sum        hash.Hash
	}{{"MD5", h.ExpectBodyMD5, a.body.md5}, {"SHA-256", h.ExpectBodySHA256, a.body.sha256}} {
		if x.want == "" {
			continue
		}
		if a.body.enough() {
			return judge("the body of %s is longer than %d bytes, the most that a digest is made of", path, digestMost)
		}
		if got := hex.EncodeToString(x.sum.Sum(nil)); !strings.EqualFold(got, x.want) {
			return judge("the body of %s has %s %s, want %s", path, x.name, got, strings.ToLower(x.want))
		}
	}
	if a.body.cut() && len(h.ExpectJSON) > 0 {
		return judge("the body of %s is longer than %d bytes, the most that expect_json looks at", path, answerMost)
	}
	return judgeJSON(h.ExpectJSON, path, body)
}

// wantsBody says whether the body of an answer with that status is read: not where the
// answer is judged, or followed, without.
func wantsBody(h *healthcheck.HTTP, status int) bool {
	return wanted(h.ExpectStatus, status) && !(h.FollowRedirects && redirects(status))
}

func wanted(list []healthcheck.StatusRange, status int) bool {
	for _, r := range list {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

func ranges(list []healthcheck.StatusRange) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = fmt.Sprint(r.From)
		if r.To != r.From {
			words[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		}
	}
	return strings.Join(words, " or ")
}
