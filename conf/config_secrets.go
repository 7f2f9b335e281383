package conf

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"usher/healthcheck"
	"usher/healthcheck/files"
	"usher/healthcheck/redact"
)

// Secrets are the values of the configuration that nobody is to be shown, sorted: those of
// sensitive variables, of keys and files that hold passwords, tokens and keys, what URLs
// of webhooks have after the host, and in paths, requests and commands of checks what
// stands beside a name such as token or password. Package redact looks for them. A word of
// the language, and the name of an instance, a group or a server, is none, though it is
// somebody's password.
func (c *Config) Secrets() []string {
	s := &secrets{seen: map[any]bool{}, all: slices.Clone(c.Sensitive)}
	s.alerts(c.Global.Alerts)
	if p := c.Peers; p != nil {
		s.add(string(p.Secret), string(p.OldSecret))
	}
	for _, i := range c.Instances {
		s.add(i.Password)
		if i.HMAC != nil {
			for _, k := range i.HMAC.Keys {
				s.add(string(k.Secret))
			}
		}
		for _, t := range i.Track {
			s.command(t.Command)
		}
		s.alerts(i.Alerts)
	}
	for _, g := range c.Groups {
		s.alerts(g.Alerts)
	}
	for _, p := range c.Announcing().Peers {
		s.add(p.Password)
	}
	for _, v := range c.VirtualServers {
		s.alerts(v.Alerts)
		for _, t := range v.EveryTarget() {
			for i := range t.Checks {
				s.check(&t.Checks[i])
			}
		}
		for _, d := range v.Discover {
			if d.HTTP != nil {
				s.login(d.HTTP.URL)
			}
		}
	}
	slices.Sort(s.all)
	names := c.names()
	return slices.DeleteFunc(unusual(slices.Compact(s.all)), func(v string) bool { return names[v] })
}

// Credentials are the secrets that checks read from files and the environment when they
// run, as they are now. What cannot be read, or not before ctx ends, is left out: the
// checks say so themselves.
func (c *Config) Credentials(ctx context.Context) []string {
	known := map[healthcheck.Credential]bool{}
	var all []string
	for _, v := range c.VirtualServers {
		for _, t := range v.EveryTarget() {
			for i := range t.Checks {
				k := credentialOf(&t.Checks[i])
				if k == nil || known[*k] || ctx.Err() != nil {
					continue
				}
				known[*k] = true
				secret := os.Getenv(k.Variable)
				if k.File != "" {
					text, err := files.Read(ctx, k.File, files.Secret)
					if err != nil {
						continue
					}
					secret = strings.TrimRight(string(text), "\r\n")
				}
				all = append(all, secret)
			}
		}
	}
	for _, v := range c.VirtualServers {
		for _, d := range v.Discover {
			if d.HTTP == nil || d.HTTP.TokenFile == "" || ctx.Err() != nil {
				continue
			}
			if text, err := files.Read(ctx, d.HTTP.TokenFile, files.Secret); err == nil {
				all = append(all, strings.TrimSpace(string(text)))
			}
		}
	}
	return unusual(all)
}

// EveryTarget gives the targets of a virtual server, and what those of its discovered
// servers are made of, without addresses.
func (v *VirtualServer) EveryTarget() []healthcheck.Target {
	if v.Template == nil {
		return v.Targets
	}
	return append(slices.Clip(v.Targets), v.Template.Target)
}

// login adds what is secret in a URL that is asked for: a password, and what its query
// gives to the name of a secret.
func (s *secrets) login(text string) {
	if u, err := url.Parse(text); err == nil {
		if password, ok := u.User.Password(); ok {
			s.add(password)
		}
		s.text(u.RawQuery)
	}
}

func credentialOf(c *healthcheck.Check) *healthcheck.Credential {
	switch {
	case c.HTTP != nil:
		return c.HTTP.Credential
	case c.Database != nil:
		return c.Database.Password
	}
	return nil
}

// secrets gathers them. Checks of many servers share their settings, which are looked at
// once.
type secrets struct {
	all  []string
	seen map[any]bool
}

func (s *secrets) add(values ...string) {
	for _, v := range values {
		if v != "" && v != unread {
			s.all = append(s.all, v)
		}
	}
}

func (s *secrets) alerts(a Alerts) {
	for _, n := range a.Notify {
		s.command(n.Command)
	}
	for _, w := range a.Webhooks {
		s.add(w.Secret)
		s.url(w.URL)
	}
	for _, e := range a.Emails {
		s.add(e.Password)
	}
}

// url adds what is secret in the URL of a webhook: who logs in, path and query, which
// often are a token, and of the path the parts that look like one by themselves.
func (s *secrets) url(text string) {
	u, err := url.Parse(text)
	if err != nil {
		s.add(text)
		return
	}
	if password, ok := u.User.Password(); ok {
		s.add(password)
	}
	if u.RawQuery != "" {
		s.add(u.RawQuery)
		for _, values := range u.Query() {
			s.add(values...)
		}
	}
	if u.Host == "" { // without a scheme, which is complained of
		_, after, _ := strings.Cut(u.Path, "/")
		u.Path, u.RawPath = "/"+after, ""
	}
	if len(u.Path) > 1 {
		s.add(u.Path, u.EscapedPath(), u.RequestURI())
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if len(part) >= redact.Anywhere && strings.ContainsAny(part, "0123456789") {
			s.add(part)
		}
	}
}

func (s *secrets) check(c *healthcheck.Check) {
	if h := c.HTTP; h != nil && s.first(h) {
		for _, x := range h.Headers {
			s.add(x.Secrets()...)
			s.text(x.Value)
		}
		for _, p := range h.Paths {
			s.text(p)
		}
		s.text(h.Body)
	}
	if x := c.Exec; x != nil && s.first(x) {
		for _, e := range x.Env {
			if name, value, _ := strings.Cut(e, "="); healthcheck.SecretVariable(name) {
				s.add(value)
			}
		}
		s.command(x.Command)
	}
	switch {
	case c.TCP != nil && s.first(c.TCP):
		s.text(c.TCP.Send)
	case c.UDP != nil && s.first(c.UDP):
		s.text(string(c.UDP.Payload))
	case c.Agent != nil && s.first(c.Agent):
		s.text(c.Agent.Send)
	}
}

func (s *secrets) first(settings any) bool {
	was := s.seen[settings]
	s.seen[settings] = true
	return !was
}

// command adds what is secret of a program's arguments: --token=x, and x after --token.
func (s *secrets) command(args []string) {
	for i, a := range args {
		s.text(a)
		if name := strings.TrimLeft(a, "-"); i+1 < len(args) && name != a && healthcheck.SecretName(name) {
			s.add(args[i+1])
		}
	}
}

// assignment is what a text gives to a name, as in token=x, "token": "x" or the line of a
// header. login is a line that logs in, of which the last word is the password.
var (
	assignment = pattern(`([A-Za-z][\w.-]*)["']?[ \t]*[=:][ \t]*["']?((?:Bearer|Basic|Token)[ \t]+)?([^\s"'&,;{}]+)`)
	login      = pattern(`(?im)^[ \t]*(?:AUTH|PASS|LOGIN)[ \t]+(?:\S+[ \t]+)*?(\S+)[ \t]*\r?$`)
)

// text adds what a text that is sent, or a path, gives to names that are those of secrets.
func (s *secrets) text(text string) {
	if !strings.ContainsAny(text, "=: ") {
		return
	}
	for _, m := range assignment().FindAllStringSubmatch(text, -1) {
		if !healthcheck.SecretName(m[1]) {
			continue
		}
		s.add(m[3])
		if plain, err := url.QueryUnescape(m[3]); err == nil {
			s.add(plain)
		}
	}
	for _, m := range login().FindAllStringSubmatch(text, -1) {
		s.add(m[1])
	}
}

// usual are the words of the language itself. One that is somebody's password stays
// readable, or the texts about it would not be; nobody has to see it to guess it.
var usual = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{"usher": true, "false": true, "up": true}
	var walk func(*block)
	walk = func(b *block) {
		all[b.name] = true
		if b.variants == nil && b.name == "health_check" {
			all[b.labels[0]] = true
		}
		for _, k := range b.keys {
			all[k.name] = true
			for _, w := range k.oneOf {
				all[w] = true
			}
		}
		for _, c := range slices.Concat(b.blocks, b.variants) {
			walk(c)
		}
	}
	walk(schema())
	return all
})

// unusual are the values that are no words of the language.
func unusual(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return usual()[v] })
}

// names are those by which people and programs call what there is.
func (c *Config) names() map[string]bool {
	all := map[string]bool{}
	for _, i := range c.Instances {
		all[i.Name] = true
	}
	for _, g := range c.Groups {
		all[g.Name] = true
	}
	for _, v := range c.VirtualServers {
		all[v.Name] = true
	}
	for _, b := range c.BFD {
		all[b.Name] = true
	}
	return all
}

// keep has the configuration remember what its expressions came across.
func (c *Config) keep(h hiding) {
	if len(h.values)+len(h.lines)+len(c.Sensitive) == 0 {
		return
	}
	c.Sensitive = slices.Concat(c.Sensitive, h.values, slices.DeleteFunc(slices.Clone(h.lines), func(l string) bool { return l == c.Global.RouterID }))
	c.Sensitive = slices.DeleteFunc(c.Sensitive, func(v string) bool { return !redact.Worth(v) })
	slices.Sort(c.Sensitive)
	c.Sensitive = slices.Compact(c.Sensitive)
}
