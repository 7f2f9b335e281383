package conf

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/net/idna"
)

// hostNames are those that package net looks up (RFC 1123 section 2.1, and the
// underscore, which is in use).
var hostNames = pattern(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)

// checkHost tells of what is neither an IP address nor can be a host's name.
func checkHost(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	name := strings.TrimSuffix(s, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	// A name that ends in a number is an address with a slip in it.
	if len(name) > 253 || !hostNames().MatchString(s) || strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("%q is neither an IP address nor a host name", s)
	}
	return nil
}

// hostPort checks an address to connect to, or one to listen on, which needs no host.
// where is the text of the key, completed.
func (b *builder) hostPort(n *node, name, where string, listens bool) {
	v := n.values[name]
	if v == nil || v.bad {
		return
	}
	host, port, err := net.SplitHostPort(where)
	if err != nil {
		b.complain(v.at, "Not an address and port", "%s must be host:port, such as 127.0.0.1:9765, not %q.", name, where)
		return
	}
	b.port(v.at, name, port)
	if listens && host == "" {
		return
	}
	if err := checkHost(host); err != nil {
		b.complain(v.at, "Not a host", "The host of %s: %s.", name, err)
	}
}

func (b *builder) port(at hcl.Range, name, port string) {
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
		b.complain(at, "Not a port", "The port of %s must be 1 to 65535, not %q.", name, port)
	}
}

// url checks a label that HTTP is to be spoken to. It does not show the path, which
// may be a secret.
func (b *builder) url(n *node) {
	u, err := url.Parse(n.label())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		b.complain(n.own(), "Not a URL", "The label of %s must be a URL such as https://alerts.example.org/usher, not %q.", n.spec.name, maskURL(n.label()))
		return
	}
	host := u.Hostname()
	if name, err := idna.Lookup.ToASCII(host); err == nil {
		host = name // as net/http writes names in other alphabets
	}
	if err := checkHost(host); err != nil {
		b.complain(n.own(), "Not a host", "The host of %s: %s.", n.spec.name, err)
	}
	if p := u.Port(); p != "" {
		b.port(n.own(), n.spec.name, p)
	}
}
