package healthcheck

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// validateType looks at the settings of the check's own type.
func (c *Check) validateType(v *mistakes) {
	switch c.Type {
	case TypeTCP:
		c.validateTCP(v)
	case TypeHTTP, TypeHTTPS:
		c.validateHTTP(v)
	case TypeUDP:
		c.validateUDP(v)
	case TypeDNS:
		c.validateDNS(v)
	case TypeMySQL, TypePostgres, TypeRedis:
		if d := c.Database; d != nil {
			v.when(d.Password != nil && d.User == "" && c.Type != TypeRedis, "user", "give the user that the password is for", "there is a password without a user")
			d.Password.validate(v, "password_file")
		}
	case TypeExec:
		v.when(c.Exec == nil || len(c.Exec.Command) == 0, "command", "give the program and its arguments", "there is no command")
		if c.Exec != nil {
			v.when(!oneOf(c.Exec.Weight, "", "exit", "stdout"), "dynamic_weight", "give exit or stdout", "%q is not known", c.Exec.Weight)
			for i, e := range c.Exec.Env {
				v.when(strings.Index(e, "=") < 1, fmt.Sprintf("environment[%d]", i), "write it as NAME=value", "%q sets no variable", e)
			}
		}
	case TypeFile:
		v.when(c.File == nil || c.File.Path == "", "path", "give the file", "there is no file")
		if c.File != nil {
			v.when(c.File.Path != "" && !filepath.IsAbs(c.File.Path), "path", "give an absolute path", "%q depends on where usher was started", c.File.Path)
			v.when(!oneOf(c.File.Mode, "", "exists", "absent", "zero", "weight"), "mode", "give exists, absent, zero or weight", "%q is not known", c.File.Mode)
		}
	case TypeBFD:
		c.validateBFD(v)
	case TypePassive:
		v.when(c.Passive == nil || c.Passive.Threshold < 1, "threshold", "give at least 1", "there is no number of connections to trigger at")
	case TypeSMTP:
		if c.SMTP != nil {
			v.when(hasControl(c.SMTP.HELO) || strings.Contains(c.SMTP.HELO, " "), "helo", "give a name", "%q is not a name", c.SMTP.HELO)
		}
	case TypeGRPC:
		if c.GRPC != nil {
			v.when(hasControl(c.GRPC.Authority) || strings.Contains(c.GRPC.Authority, " "), "authority", "give a name", "%q is not a name", c.GRPC.Authority)
		}
	case TypeTLS, TypePing, TypeAgent:
	default:
		v.when(true, "", "see the reference for those there are", "there is no check of type %q", c.Type)
	}
	if c.TLS != nil {
		c.TLS.validate(v)
		c.validateALPN(v)
	}
}

func (c *Check) validateTCP(v *mistakes) {
	t := c.TCP
	if t == nil {
		return
	}
	v.when(t.Proxy < 0 || t.Proxy > 2, "proxy_protocol", "give 1 or 2, or 0 for none", "there is no version %d", t.Proxy)
	v.when(t.ExpectRegex && t.Expect == "", "expect_regex", "give the expression", "it is empty")
	if t.ExpectRegex {
		validateRegex(v, "expect_regex", t.Expect)
	}
}

func (k *Credential) validate(v *mistakes, key string) {
	if k != nil {
		v.when((k.File == "") == (k.Variable == ""), key, "give a file or an environment variable", "the secret has to come from exactly one place")
	}
}

func (c *Check) validateUDP(v *mistakes) {
	u := c.UDP
	if u == nil {
		return
	}
	v.when(len(u.Payload) > 65507, "payload", "make it shorter", "%d bytes do not fit into a datagram", len(u.Payload))
	v.when(u.MinReply < 0 || u.MaxReply < 0 || u.MaxReply > 0 && u.MinReply > u.MaxReply, "min_reply", "make it less than max_reply",
		"no reply has at least %d and at most %d bytes", u.MinReply, u.MaxReply)
	v.when(u.MaxReply > 0 && len(u.Expect) > u.MaxReply, "expect", "shorten it, or raise max_reply", "it is longer than max_reply allows")
	v.when(len(u.Expect) > 0 && !u.RequireReply, "require_reply", "set it to true", "an answer is expected, but silence would be good")
}

func (c *Check) validateDNS(v *mistakes) {
	if d := c.DNS; d != nil {
		v.when(len(d.Question) > 254, "question", "give a name", "%q is longer than a name can be", d.Question)
		v.when(hasControl(d.Question) || strings.Contains(d.Question, " ") || strings.Contains(d.Question, ".."), "question", "give a name", "%q is not a name", d.Question)
	}
}

func (c *Check) validateBFD(v *mistakes) {
	b := c.BFD
	if b == nil {
		v.when(true, "", "give min_tx, min_rx and multiplier", "the session has no settings")
		return
	}
	v.when(b.MinTX < bfdLeast || b.MinTX > bfdMost, "min_tx", `give one, as "50ms"`, "%s is not between 1ms and %s", b.MinTX, bfdMost)
	v.when(b.MinRX < bfdLeast || b.MinRX > bfdMost, "min_rx", `give one, as "50ms"`, "%s is not between 1ms and %s", b.MinRX, bfdMost)
	v.when(b.Multiplier < 1 || b.Multiplier > 255, "multiplier", "give 1 to 255", "%d packets cannot be the limit", b.Multiplier)
	v.when(b.Source != (netip.Addr{}) && b.Source.Unmap().Is4() != c.Address.Addr().Unmap().Is4(), "source", "give one of the same family",
		"%s cannot be the source of packets to %s", b.Source, c.Address.Addr())
	a := c.Address.Addr()
	v.when(a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" && c.Interface == "", "interface", "give the one that the neighbour is on",
		"%s is link-local, so it may be on any interface", a)
}

// The bounds of BFD's intervals; the field would hold 71 minutes.
const (
	bfdLeast = time.Millisecond
	bfdMost  = time.Minute
)

func (t *TLS) validate(v *mistakes) {
	v.when((t.CertFile == "") != (t.KeyFile == ""), "cert_file", "give both or neither", "a client certificate needs cert_file and key_file")
	v.when(!oneOf(t.MinVersion, "", "1.2", "1.3"), "min_version", `give "1.2" or "1.3"`, "there is no version %q", t.MinVersion)
	v.when(t.Insecure && t.CAFile != "", "insecure", "leave one of them out", "ca_file has no effect where nothing is verified")
	v.when(t.ExpiryWarning < 0, "expiry_warning", `give one, as "720h"`, "%s is not a duration to warn before", t.ExpiryWarning)
	v.when(hasControl(t.ServerName) || strings.Contains(t.ServerName, " "), "server_name", "give a name", "%q is not a name", t.ServerName)
}

func validateRegex(v *mistakes, key, expression string) {
	_, err := regexp.Compile(expression)
	v.when(err != nil, key, "mend the expression (syntax RE2)", "%v", err)
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func oneOf(s string, words ...string) bool { return slices.Contains(words, s) }
