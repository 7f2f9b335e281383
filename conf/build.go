package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"usher/director"
	"usher/director/announce"
	"usher/director/discover"
	"usher/healthcheck"
	"usher/healthcheck/files"
	"usher/vrrp"
)

// builder makes domain types of nodes and attaches places to what their packages
// have to say.
type builder struct {
	diags hcl.Diagnostics
	read  []string // files that secrets were read from
	// texts are those of small files that the function file read; keyTexts those of keys.
	texts    map[string]string
	keyTexts []string
	how      loading
	bad      map[string]bool // places that conf itself complained of
	told     map[string]bool // complaints of the domains, with their places

	instances map[string]*node
	servers   map[string]*node
	sessions  map[string]*node
	announced map[string]*node   // announce blocks
	places    map[string]*places // of each virtual server, by name
}

// newBuilder knows the places that the reader complained of.
func newBuilder(told hcl.Diagnostics) *builder {
	b := &builder{
		bad: map[string]bool{}, told: map[string]bool{}, instances: map[string]*node{}, servers: map[string]*node{}, sessions: map[string]*node{},
		announced: map[string]*node{},
		places:    map[string]*places{},
	}
	for _, d := range told {
		if d.Subject != nil {
			b.bad[d.Subject.String()] = true
		}
	}
	return b
}

func (b *builder) complain(at hcl.Range, summary, format string, args ...any) {
	b.bad[at.String()] = true
	b.diags = append(b.diags, complain(summary, fmt.Sprintf(format, args...), at))
}

// blame puts an error of a domain package at its place. One about a value that
// was complained of already is dropped: it follows from that.
func (b *builder) blame(err error, p *places) {
	var f interface{ Field() string }
	if !errors.As(err, &f) {
		b.complain(p.node.own(), "Invalid "+words(p.node.spec.name), "%s.", err)
		return
	}
	at, exact, told := p.find(f.Field())
	if told || exact && b.bad[at.String()] {
		return
	}
	problem, mend := parts(err)
	detail := problem
	if key := f.Field(); key != "" {
		detail = p.shown(key) + ": " + problem
	}
	if mend != "" {
		detail += "; " + mend
	}
	what := p.node.spec.name
	if name := lastKey(p.rename(f.Field())); name != "" {
		what = name
	}
	if once := at.String() + detail; !b.told[once] {
		b.told[once] = true
		b.diags = append(b.diags, complain("Invalid "+words(what), strings.TrimSuffix(detail, ".")+".", at))
	}
}

// lastKey is the last key of a path, without indexes and labels.
func lastKey(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case depth > 0:
		case r == '.':
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// parts takes an error of a domain package apart.
func parts(err error) (problem, mend string) {
	var (
		pool  *director.FieldError
		check *healthcheck.FieldError
		vr    *vrrp.FieldError
		found *discover.FieldError
		told  *announce.FieldError
	)
	switch {
	case errors.As(err, &pool):
		return pool.Problem, pool.Hint
	case errors.As(err, &check):
		return check.Problem, check.Hint
	case errors.As(err, &vr):
		return vr.Problem, vr.Hint
	case errors.As(err, &found):
		return found.Problem, found.Hint
	case errors.As(err, &told):
		return told.Problem, told.Hint
	}
	return err.Error(), ""
}

// words writes a key for a sentence.
func words(key string) string { return strings.ReplaceAll(key, "_", " ") }

// config makes the whole configuration of root's blocks and of virtual servers
// that are ready. References are checked last, when all names are known.
func (b *builder) config(root *node, ready []VirtualServer) *Config {
	c := &Config{Global: b.global(root.one("global"))}
	c.Peers = b.peers(root.one("peers"), c.Global.RouterID)
	for _, n := range root.all("bfd") {
		b.sessions[n.label()] = n
		c.BFD = append(c.BFD, b.session(n))
	}
	for _, n := range root.all("vrrp_instance") {
		b.instances[n.label()] = n
	}
	c.VirtualServers = ready
	for _, v := range ready {
		b.servers[v.Name] = root // known by name is all that counts
	}
	for _, n := range root.all("virtual_server") {
		b.servers[n.label()] = n
		c.VirtualServers = append(c.VirtualServers, b.virtualServer(n))
	}
	distinctMarks(c.VirtualServers)
	for i := range c.VirtualServers {
		if v := &c.VirtualServers[i]; v.Template != nil && c.Global.IPVS.Sync != nil {
			alike := *v.Template // which configurations share
			alike.Alike = true
			v.Template = &alike
		}
	}
	all := map[string]*places{}
	if c.Global.ManageSysctls && len(c.VirtualServers) > 0 {
		c.Global.IPVS.setDefaults()
	}
	for _, n := range root.all("vrrp_instance") {
		i, p := b.instance(n)
		c.Instances = append(c.Instances, i)
		all[n.label()] = p
	}
	for _, n := range root.all("vrrp_sync_group") {
		c.Groups = append(c.Groups, b.group(n))
		all["group "+n.label()] = &places{node: n}
	}
	b.announcements(root, c)
	settleFailures(c)
	c.Sensitive = append(c.Sensitive, b.keyTexts...)
	b.sync(root.one("global"))
	b.sets(c, all)
	b.families(c)
	c.Blank = len(root.all("global"))+len(root.all("peers"))+len(root.all("bgp"))+len(root.all("announce"))+len(c.BFD)+len(c.Instances)+len(c.Groups)+len(c.VirtualServers) == 0
	return c
}

// sets lets the domains look at what only shows when all objects are together.
func (b *builder) sets(c *Config, instances map[string]*places) {
	for _, err := range vrrp.ValidateSet(c.VRRP()) {
		var in interface{ Instance() string }
		if errors.As(err, &in) {
			if p := instances[in.Instance()]; p != nil {
				b.blame(err, p)
				continue
			}
			if p := instances["group "+in.Instance()]; p != nil {
				b.blame(err, p)
				continue
			}
		}
		b.diags = append(b.diags, placeless("Invalid VRRP configuration", err.Error()))
	}
	for _, err := range director.ValidateSet(c.Pools()) {
		var vs interface{ VirtualServer() string }
		if errors.As(err, &vs) {
			if p := b.places[vs.VirtualServer()]; p != nil {
				b.blame(err, p)
				continue
			}
		}
		b.diags = append(b.diags, placeless("Invalid virtual servers", err.Error()))
	}
}

// reference complains of a name that nothing has.
func (b *builder) reference(what, name string, known map[string]*node, at hcl.Range) {
	if known[name] != nil {
		return
	}
	hint := didYouMean(name, sortedKeys(known))
	if hint == "" && len(known) == 0 {
		hint = fmt.Sprintf(" The configuration has no %s at all.", what)
	}
	b.complain(at, "Unknown "+what, "There is no %s %q.%s", what, name, hint)
}

// either complains where two keys of a block exclude each other and both are given.
func (b *builder) either(n *node, one, other string) {
	if n.given(one) && n.given(other) {
		b.complain(n.at(other), "One key too many", "Give %s or %s, not both.", one, other)
	}
}

// secret is the text of a key, or of the file that the key with _file names,
// without the line end at its end.
func (b *builder) secret(n *node, name string) string {
	fileKey := name + "_file"
	b.either(n, name, fileKey)
	if !n.given(fileKey) {
		return n.text(name)
	}
	path := resolve(n.dir, n.text(fileKey))
	if n.text(fileKey) == "" {
		return ""
	}
	if !slices.Contains(b.read, path) {
		b.read = append(b.read, path)
	}
	open := b.how.open
	if open == nil {
		open = func(path string) ([]byte, error) { return files.Read(b.how.context(), path, files.Secret) }
	}
	text, err := open(path)
	switch {
	case err == nil:
	case b.how.look && errors.Is(err, fs.ErrPermission):
		b.warn(n.at(fileKey), "Secret not looked at", fmt.Sprintf("%s: %s. Whoever runs usher must be able to read it.", fileKey, err))
		return unread
	default:
		b.complain(n.at(fileKey), "File cannot be read", "%s: %s.", fileKey, err)
		return ""
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		b.complain(n.at(fileKey), "Empty file", "%s: %s holds no secret; without one, leave the key out.", fileKey, path)
	}
	return secret
}

// opener reads a whole file, within bounds.
type opener func(path string) ([]byte, error)

// unread stands for a secret that was not looked at; it is a valid one everywhere.
const unread = "unread"

// path is a file's path, absolute: it is opened much later, wherever usher is then.
func (n *node) path(name string) string {
	p := n.text(name)
	if p == "" {
		return ""
	}
	return absolute(n.dir, p)
}

func absolute(folder, path string) string {
	path = resolve(folder, path)
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
