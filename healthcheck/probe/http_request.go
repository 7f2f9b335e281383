package probe

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"usher/healthcheck"
)

// userAgent is how probes name themselves.
const userAgent = "usher-check/1.0"

// host is the Host header of a request.
func host(c *healthcheck.Check, h *healthcheck.HTTP) string {
	if h.Host != "" {
		return h.Host
	}
	a := target(c)
	if a.Port() == 80 && c.Type == healthcheck.TypeHTTP || a.Port() == 443 && c.Type == healthcheck.TypeHTTPS {
		return strings.TrimSuffix(netip.AddrPortFrom(a.Addr().WithZone(""), 0).String(), ":0")
	}
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}

// request appends an HTTP/1 request as it goes over the wire; h is c's settings.
func request(b []byte, c *healthcheck.Check, h *healthcheck.HTTP, path, authorization string) []byte {
	b = append(b, h.Method...)
	b = append(b, ' ')
	b = append(b, requestTarget(path)...)
	if h.Version == "1.0" {
		b = append(b, " HTTP/1.0\r\n"...)
	} else {
		b = append(b, " HTTP/1.1\r\n"...)
	}
	line := func(name, value string) {
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	}
	line("Host", host(c, h))
	fields(h, authorization, line)
	if h.Body != "" || h.Method == http.MethodPost || h.Method == http.MethodPut || h.Method == http.MethodPatch { // RFC 9110 section 8.6
		line("Content-Length", strconv.Itoa(len(h.Body)))
	}
	if !given(h, "Connection") {
		line("Connection", "close")
	}
	b = append(b, "\r\n"...)
	return append(b, h.Body...)
}

// fields tells the header fields of a request, the same whatever version it is sent by:
// those that are configured, and what goes without saying where they do not say it. Host
// is not among them, nor what belongs to the connection or to the body.
func fields(h *healthcheck.HTTP, authorization string, tell func(name, value string)) {
	for _, x := range h.Headers {
		tell(x.Name, strings.Trim(x.Value, " ")) // RFC 9110 section 5.5
	}
	if !given(h, "User-Agent") {
		tell("User-Agent", userAgent)
	}
	if !given(h, "Accept") {
		tell("Accept", "*/*")
	}
	if authorization != "" {
		tell("Authorization", authorization)
	}
}

func given(h *healthcheck.HTTP, name string) bool {
	for i := range h.Headers {
		if strings.EqualFold(h.Headers[i].Name, name) {
			return true
		}
	}
	return false
}

// requestTarget is a path with its query as it goes over the wire (RFC 9112 section
// 3.2.1): what a URI cannot have in a path is escaped.
func requestTarget(path string) string {
	for i := range len(path) {
		if b := path[i]; b <= ' ' || b > '~' || strings.IndexByte("\"<>\\^`{|}", b) >= 0 {
			if u, err := url.ParseRequestURI(path); err == nil {
				return u.RequestURI()
			}
			return path
		}
	}
	return path
}

// settings are a check's, with what is left out filled in.
func settings(c *healthcheck.Check) healthcheck.HTTP {
	var h healthcheck.HTTP
	if c.HTTP != nil {
		h = *c.HTTP
	}
	// The header Host is the host, in whatever version it is sent, and in TLS.
	if i := slices.IndexFunc(h.Headers, func(x healthcheck.Header) bool { return strings.EqualFold(x.Name, "Host") }); i >= 0 {
		h.Host = h.Headers[i].Value
		h.Headers = slices.Delete(slices.Clone(h.Headers), i, i+1)
	}
	if h.Method == "" {
		h.Method = "GET"
	}
	if len(h.Paths) == 0 {
		h.Paths = []string{"/"}
	}
	if len(h.ExpectStatus) == 0 {
		h.ExpectStatus = []healthcheck.StatusRange{{From: 200, To: 299}}
	}
	return h
}
