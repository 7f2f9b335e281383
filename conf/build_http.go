package conf

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"usher/healthcheck"
)

func (b *builder) http(n *node) *healthcheck.HTTP {
	h := &healthcheck.HTTP{
		Method: n.text("method"), Paths: []string{n.text("path")}, Host: n.text("host"), Body: n.text("body"), Version: n.text("http_version"),
		ExpectBody: n.text("expect_body"), ExpectBodyRegex: n.text("expect_body_regex"), ExpectBodySHA256: n.text("expect_body_sha256"),
		ExpectBodyMD5: n.text("expect_body_md5"), RejectBodyRegex: n.text("reject_body_regex"),
		FollowRedirects: n.flag("follow_redirects"), Proxy: n.number("proxy_protocol"),
	}
	if n.given("paths") {
		h.Paths = n.texts("paths")
		if len(h.Paths) == 0 && !n.bad("paths") {
			b.complain(n.at("paths"), "Empty list", "paths names no path.")
		}
	}
	for i, p := range h.Paths {
		if name := "paths"; !strings.HasPrefix(p, "/") {
			if !n.given(name) {
				name = "path"
			}
			if n.given(name) {
				b.complain(n.values[name].item(i), "Not a path", "A path starts with a slash, as in \"/healthz\"; %q does not.", p)
			}
		}
	}
	for _, name := range sortedKeys(n.pairs("headers")) {
		h.Headers = append(h.Headers, healthcheck.Header{Name: name, Value: n.pairs("headers")[name]})
	}
	for _, path := range sortedKeys(n.pairs("expect_json")) {
		h.ExpectJSON = append(h.ExpectJSON, healthcheck.JSONExpect{Path: path, Value: n.pairs("expect_json")[path]})
	}
	h.ExpectStatus = b.statuses(n)
	h.Credential = b.auth(n)
	return h
}

// statuses reads codes and ranges of codes.
func (b *builder) statuses(n *node) []healthcheck.StatusRange {
	v := n.values["expect_status"]
	if v == nil || v.bad {
		return []healthcheck.StatusRange{{From: 200, To: 299}}
	}
	var all []healthcheck.StatusRange
	for i, text := range n.texts("expect_status") {
		r, err := parseStatus(text)
		if err != nil {
			b.complain(v.item(i), "Not a status", "expect_status: %s.", err)
			continue
		}
		all = append(all, r)
	}
	if len(n.texts("expect_status")) == 0 {
		b.complain(v.at, "Empty list", "expect_status names no status, so no answer could be good.")
	}
	return all
}

func parseStatus(text string) (healthcheck.StatusRange, error) {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	first, err := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err != nil || err2 != nil || first < 100 || last > 599 {
		return healthcheck.StatusRange{}, fmt.Errorf("%q is not a status code (100 to 599) or a range of them such as \"200-299\"", text)
	}
	if last < first {
		return healthcheck.StatusRange{}, fmt.Errorf("the range %q ends before it starts", text)
	}
	return healthcheck.StatusRange{From: first, To: last}, nil
}

// auth is the credential of a request.
func (b *builder) auth(n *node) *healthcheck.Credential {
	scheme := n.text("auth")
	if scheme == "" {
		for _, name := range []string{"auth_user", "auth_file", "auth_env"} {
			if n.given(name) && !n.bad("auth") {
				b.complain(n.at(name), "Key without effect", "%s needs auth = \"basic\" or \"bearer\".", name)
			}
		}
		return nil
	}
	c := credential(n, "auth", scheme)
	if c == nil {
		b.complain(n.at("auth"), "No secret", "auth needs auth_file or auth_env.")
		return nil
	}
	c.User = n.text("auth_user")
	switch {
	case scheme == "basic" && c.User == "":
		b.complain(n.at("auth"), "No user", "auth = \"basic\" needs auth_user.")
	case scheme == "bearer" && c.User != "":
		b.complain(n.at("auth_user"), "Key without effect", "A bearer token has no user.")
	}
	return c
}

// parseHex reads hexadecimal digits, with spaces between bytes allowed, x standing
// for any digit. The mask has the bits that must match.
func parseHex(text string) (value, mask []byte, err error) {
	text = strings.ReplaceAll(strings.ToLower(text), " ", "")
	digits := strings.Map(func(r rune) rune {
		if r == 'x' {
			return '0'
		}
		return r
	}, text)
	if value, err = hex.DecodeString(digits); err != nil {
		return nil, nil, err
	}
	mask = make([]byte, len(value))
	for i, r := range text {
		if r != 'x' {
			mask[i/2] |= 0xf0 >> (4 * (i % 2))
		}
	}
	return value, mask, nil
}

func allOnes(n int) []byte {
	mask := make([]byte, n)
	for i := range mask {
		mask[i] = 0xff
	}
	return mask
}
