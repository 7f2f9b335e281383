package healthcheck

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

func (c *Check) validateHTTP(v *mistakes) {
	h := c.HTTP
	if h == nil {
		return
	}
	for i, p := range h.Paths {
		key := "path"
		if len(h.Paths) > 1 {
			key = fmt.Sprintf("paths[%d]", i)
		}
		v.when(!strings.HasPrefix(p, "/") && p != "*", key, `begin it with "/"`, "%q is not a path", p)
		v.when(hasControl(p) || strings.Contains(p, " "), key, "escape it, as %20", "%q has a space or a control character", p)
		v.when(strings.Contains(p, "#"), key, "escape it, as %23, or leave it out", "%q has a fragment, which is never sent", p)
		_, err := url.PathUnescape(p)
		v.when(err != nil, key, "write a percent sign itself as %25", "%q has a percent sign without two hexadecimal digits (RFC 3986 section 2.1)", p)
	}
	// A method is a token, as the name of a header is (RFC 9110 section 9.1).
	v.when(h.Method != "" && !httpguts.ValidHeaderFieldName(h.Method), "method", "give one word, as GET", "%q is not a method", h.Method)
	v.when(h.Method == http.MethodConnect, "method", "use another", "CONNECT asks a proxy for a tunnel, and has no path")
	v.when(hasControl(h.Host) || strings.Contains(h.Host, " "), "host", "give a name", "%q is not a host", h.Host)
	h.validateHeaders(v)
	v.when(!oneOf(h.Version, "", "1.0", "1.1", "2"), "http_version", `give "1.0", "1.1" or "2"`, "there is no version %q", h.Version)
	for i, r := range h.ExpectStatus {
		v.when(r.From < 100 || r.To > 599 || r.From > r.To, fmt.Sprintf("expect_status[%d]", i), `give codes from 100 to 599, as "200-299"`,
			"%d-%d is not a range of status codes", r.From, r.To)
	}
	validateRegex(v, "expect_body_regex", h.ExpectBodyRegex)
	if sum, err := hex.DecodeString(h.ExpectBodySHA256); h.ExpectBodySHA256 != "" {
		v.when(err != nil || len(sum) != 32, "expect_body_sha256", "give 64 hexadecimal digits, as sha256sum prints", "%q is not a SHA-256", h.ExpectBodySHA256)
	}
	if sum, err := hex.DecodeString(h.ExpectBodyMD5); h.ExpectBodyMD5 != "" {
		v.when(err != nil || len(sum) != 16, "expect_body_md5", "give 32 hexadecimal digits, as md5sum prints", "%q is not an MD5 sum", h.ExpectBodyMD5)
	}
	validateRegex(v, "reject_body_regex", h.RejectBodyRegex)
	for _, x := range h.ExpectJSON {
		_, err := ParseJSONPath(x.Path)
		v.when(err != nil, "expect_json", `give a path as "status.db[0]", with names that have dots in brackets and quotes: "status[\"db.main\"]"`,
			"%q is not a path: %v", x.Path, err)
	}
	v.when(h.Method == "HEAD" && h.LooksAtBody(),
		"method", "use GET", "the answer to HEAD has no body to look at")
	v.when(h.Proxy < 0 || h.Proxy > 2, "proxy_protocol", "give 1 or 2, or 0 for none", "there is no version %d", h.Proxy)
	if k := h.Credential; k != nil {
		v.when(!oneOf(k.Scheme, "basic", "bearer"), "auth", "give basic or bearer", "%q is not known", k.Scheme)
		v.when(k.Scheme == "basic" && k.User == "", "auth_user", "give the user", "basic authentication needs a user")
		v.when(strings.Contains(k.User, ":"), "auth_user", "use another name", "a user's name cannot have a colon (RFC 7617)")
		k.validate(v, "auth_file")
	}
}

// validateHeaders looks for headers that cannot be sent, or that another key says too.
func (h *HTTP) validateHeaders(v *mistakes) {
	hosts := 0
	for _, x := range h.Headers {
		v.when(!httpguts.ValidHeaderFieldName(x.Name), "headers", "give a name as in X-Probe", "%q is not the name of a header", x.Name)
		v.when(hasControl(x.Value), "headers", "write it in one line", "the value of %s has a control character", x.Name)
		switch http.CanonicalHeaderKey(x.Name) {
		case "Host":
			hosts++
			v.when(h.Host != "" || hosts > 1, "headers", "leave one of them out", "%s is given twice: by host, or by another header", x.Name)
			v.when(x.Value == "" || strings.Contains(x.Value, " "), "headers", "give a name", "%q is not a host", x.Value)
		case "Authorization":
			v.when(h.Credential != nil, "headers", "leave one of them out", "%s is given by auth already", x.Name)
		case "Content-Length", "Transfer-Encoding", "Trailer":
			v.when(true, "headers", "leave it out", "%s is made of the body", x.Name)
		case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te":
			v.when(h.Version == "2", "headers", "leave it out, or use another http_version", "%s belongs to a connection, which HTTP/2 has no headers for (RFC 9113 section 8.2.2)", x.Name)
		}
	}
}

// validateALPN: what is agreed on by ALPN must be what is spoken then.
func (c *Check) validateALPN(v *mistakes) {
	if c.TLS == nil || len(c.TLS.ALPN) == 0 {
		return
	}
	two := c.Type == TypeGRPC || c.HTTP != nil && c.HTTP.Version == "2"
	switch c.Type {
	case TypeHTTPS, TypeGRPC:
		v.when(two && !slices.Equal(c.TLS.ALPN, []string{"h2"}), "alpn", `leave it out: "h2" is offered by itself`, "HTTP/2 is agreed on as \"h2\", and as nothing else (RFC 9113 section 3.2)")
		v.when(!two && slices.Contains(c.TLS.ALPN, "h2"), "alpn", `leave "h2" out, or set http_version = "2"`, "\"h2\" is HTTP/2, and this check speaks HTTP/1")
	}
}
