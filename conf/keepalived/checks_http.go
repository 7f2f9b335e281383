package keepalived

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// page is one url of an HTTP checker.
type page struct {
	d    *directive
	path string
	host string
	rest *out // what makes an answer good
}

// httpChecks translates HTTP_GET and SSL_GET: all urls that want the same of their
// answers become one check.
func (t *translator) httpChecks(k checker, o *out) {
	var pages []page
	for _, c := range k.d.body {
		if c.name() == "url" {
			if p := find(c, "path"); p == nil || p.arg(0) == "" {
				t.warn(c, "it has no path: keepalived passes over it, and so does the import")
				continue
			}
			pages = append(pages, t.page(c, k))
		}
	}
	if len(pages) == 0 {
		t.warn(k.d, "no url is given: keepalived checks nothing, and so does the import")
		o.note(notes(k.d)...)
		return
	}
	var groups [][]page
	for _, p := range pages {
		joined := false
		for n, g := range groups {
			if g[0].host == p.host && reflect.DeepEqual(plain(g[0].rest), plain(p.rest)) {
				groups[n], joined = append(g, p), true
				break
			}
		}
		if !joined {
			groups = append(groups, []page{p})
		}
	}
	for n, g := range groups {
		d := k.d
		if n > 0 {
			d = withoutComments(d)
		}
		b := o.open("health_check", k.d, k.kind)
		t.each(d, b, func(c *directive) {
			if c.name() == "url" {
				b.note(notes(c)...)
				return
			}
			t.httpPart(c, b, k)
		})
		if len(g) == 1 {
			b.text("path", g[0].path, g[0].d)
		} else {
			for _, p := range g {
				b.add("paths", p.path, p.d)
			}
		}
		if g[0].host != "" {
			b.text("host", g[0].host, g[0].d)
		}
		b.items = append(b.items, g[0].rest.items...)
		if k.kind == "https" {
			t.tls(k, b, g[0].host)
		}
		k.urls = len(g)
		t.times(k, b)
	}
}

// plain is what two bodies are compared by.
func plain(o *out) map[string]string {
	m := map[string]string{}
	for _, i := range o.items {
		m[i.key] = expression(i.value, "")
	}
	return m
}

// page reads one url block.
func (t *translator) page(d *directive, k checker) page {
	p := page{d: d, rest: &out{}}
	if c := k.setting("virtualhost"); c != nil {
		p.host = c.arg(0)
	}
	pattern, flags, key := (*directive)(nil), "", "expect_body_regex"
	for _, c := range d.body {
		switch c.name() {
		case "path":
			p.path = c.arg(0)
			if !strings.HasPrefix(p.path, "/") {
				p.path = "/" + p.path
			}
		case "virtualhost":
			p.host = c.arg(0)
		case "status_code":
			p.rest.texts("expect_status", c.args(), c)
		case "regex":
			pattern = c
		case "regex_no_match":
			key = "reject_body_regex"
		case "digest":
			p.rest.text("expect_body_md5", c.arg(0), c)
		case "regex_options":
			flags = t.regexFlags(c)
		default:
			t.unknown(c, checkReasons())
		}
	}
	if pattern != nil {
		expr := pattern.arg(0)
		if strings.Count(pattern.text, `\`) > 2*strings.Count(expr, `\`) {
			t.warn(pattern, "keepalived takes away each backslash that stands alone, so it looks for "+strconv.Quote(expr)+", and so does the import")
		}
		if flags != "" {
			expr = "(?" + flags + ")" + expr
		}
		if _, err := regexp.Compile(expr); err != nil {
			t.warn(pattern, "Go's expressions (RE2) do not know it: "+err.Error())
		} else {
			p.rest.text(key, expr, pattern)
		}
	} else if c := find(d, "regex_no_match"); c != nil {
		t.warn(c, "there is no regex")
	}
	return p
}

// regexFlags are the options of PCRE2 that RE2 has, too.
func (t *translator) regexFlags(c *directive) string {
	flags := ""
	for _, word := range c.args() {
		switch word {
		case "caseless":
			flags += "i"
		case "multiline":
			flags += "m"
		case "dotall":
			flags += "s"
		default:
			t.warn(c, word+" is no option that Go's expressions have")
		}
	}
	return flags
}

func (t *translator) httpPart(c *directive, b *out, k checker) {
	switch c.name() {
	case "virtualhost", "sni_name", "enable_sni":
		if k.kind == "http" && c.name() != "virtualhost" {
			t.warn(c, "HTTP_GET has no TLS")
		}
	case "http_protocol":
		version := strings.ToUpper(c.arg(0))
		b.text("http_version", strings.TrimSuffix(version, "C"), c)
		if version == "1.0C" {
			t.warn(c, "usher closes the connection after each probe, with any version")
		}
	default:
		t.checkPart(c, b, k)
	}
}

// tls keeps what SSL_GET does: it verifies nothing. A name is sent only where
// keepalived is told to.
func (t *translator) tls(k checker, b *out, host string) {
	b.flag("insecure", true, k.d)
	if c := find(k.d, "sni_name"); c != nil && c.arg(0) != "" {
		b.text("server_name", c.arg(0), c)
	} else if c := find(k.d, "enable_sni"); c != nil && host != "" {
		b.text("server_name", host, c)
	}
	if t.ssl == nil {
		return
	}
	t.used[t.ssl] = true
	cert, key := find(t.ssl, "certificate"), find(t.ssl, "key")
	if cert != nil && key != nil {
		b.text("cert_file", cert.arg(0), cert)
		b.text("key_file", key.arg(0), key)
	}
}

// sslBlock translates the client certificate of all SSL_GET checks, which each of
// them carries.
func (t *translator) sslBlock(d *directive) {
	for _, c := range d.body {
		switch c.name() {
		case "certificate", "key":
			if find(d, "certificate") == nil || find(d, "key") == nil {
				t.warn(c, "a client certificate needs both certificate and key")
			}
		case "ca":
			t.warn(c, "keepalived never verifies a server's certificate: take insecure out of the checks and give ca_file")
		case "password":
			t.warn(c, "usher reads keys without a password only")
		default:
			t.unknown(c, nil)
		}
	}
}
