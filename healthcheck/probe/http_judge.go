package probe

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"usher/healthcheck"
)

// judgeAnswer says what is wrong with an answer; nil if nothing is. It ends with ctx.
func judgeAnswer(ctx context.Context, h *healthcheck.HTTP, path string, status int, body []byte, cut bool) error {
	if !wanted(h.ExpectStatus, status) {
		return judge("%s%s answered status %d, want %s", h.Method+" ", path, status, ranges(h.ExpectStatus))
	}
	long := ""
	if cut {
		long = fmt.Sprintf(" (only its first %d bytes were looked at)", answerMost)
	}
	if h.ExpectBody != "" && !bytes.Contains(body, []byte(h.ExpectBody)) {
		return judge("the body of %s does not hold %s%s: it begins with %s", path, quote(h.ExpectBody), long, quote(body))
	}
	if h.ExpectBodyRegex != "" {
		pattern, err := regexp.Compile(h.ExpectBodyRegex)
		if err != nil {
			return mine("expect_body_regex: %v", err)
		}
		found, err := search(ctx, pattern, body)
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
			return mine("reject_body_regex: %v", err)
		}
		// What a page is not to show is not shown here either: a pattern may be there
		// to find a secret.
		found, err := search(ctx, pattern, body)
		if err != nil {
			return err
		}
		if found != nil {
			return judge("the body of %s matches %s%s, which it must not, from byte %d on", path, quote(h.RejectBodyRegex), long, found[0])
		}
	}
	if h.ExpectBodyMD5 != "" {
		sum := md5.Sum(body)
		if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, h.ExpectBodyMD5) {
			return judge("the body of %s has MD5 %s%s, want %s", path, got, long, strings.ToLower(h.ExpectBodyMD5))
		}
	}
	if h.ExpectBodySHA256 != "" {
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, h.ExpectBodySHA256) {
			return judge("the body of %s has SHA-256 %s%s, want %s", path, got, long, strings.ToLower(h.ExpectBodySHA256))
		}
	}
	return judgeJSON(h.ExpectJSON, path, body)
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
