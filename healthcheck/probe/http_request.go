package probe

import (
	"net/netip"
	"strconv"
	"strings"

	"usher/healthcheck"
)

// userAgent is how probes name themselves.
const userAgent = "usher-check/1.0"

// host is the Host header of a check.
func host(c *healthcheck.Check) string {
	if c.HTTP != nil && c.HTTP.Host != "" {
		return c.HTTP.Host
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
	b = append(b, path...)
	if h.Version == "1.0" {
		b = append(b, " HTTP/1.0\r\n"...)
	} else {
		b = append(b, " HTTP/1.1\r\n"...)
	}
	given := map[string]bool(nil)
	line := func(name, value string) {
		if given != nil && given[strings.ToLower(name)] {
			return
		}
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	}
	for _, x := range h.Headers {
		line(x.Name, x.Value)
	}
	if len(h.Headers) > 0 {
		given = make(map[string]bool, len(h.Headers))
		for _, x := range h.Headers {
			given[strings.ToLower(x.Name)] = true
		}
	}
	line("Host", host(c))
	line("User-Agent", userAgent)
	line("Accept", "*/*")
	if authorization != "" {
		line("Authorization", authorization)
	}
	if h.Body != "" {
		line("Content-Length", strconv.Itoa(len(h.Body)))
	}
	line("Connection", "close")
	b = append(b, "\r\n"...)
	return append(b, h.Body...)
}

// settings are a check's, with what is left out filled in.
func settings(c *healthcheck.Check) healthcheck.HTTP {
	var h healthcheck.HTTP
	if c.HTTP != nil {
		h = *c.HTTP
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
