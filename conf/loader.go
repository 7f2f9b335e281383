package conf

import (
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
)

// Loader loads configurations one after the other and remembers of the last good
// one what the next may well have again, so that a reload costs what has changed
// and not what there is. What it gives is always what Load would give. It is safe
// for concurrent use.
type Loader struct {
	mu    sync.Mutex
	known pools // of the last good configuration
	how   loading
}

// loading is how a configuration is read.
type loading struct {
	open opener // of files with secrets; os.ReadFile where nil
	look bool   // nobody runs it: see Inspect
}

// text is a configuration file as read.
type text struct {
	name  string // as messages call it
	bytes []byte
}

// Load is the function Load.
func (l *Loader) Load(paths []string, vars map[string]string) (*Config, Diagnostics) {
	names, diags := collect(paths)
	var texts []text
	for _, name := range names {
		b, more := readFile(name)
		if diags = append(diags, more...); !more.HasErrors() {
			texts = append(texts, text{name, b})
		}
	}
	return l.load(texts, vars, diags)
}

// load takes the quick way, which gives up as soon as there is anything to say,
// and then the thorough one, which says it.
func (l *Loader) load(texts []text, vars map[string]string, diags hcl.Diagnostics) (*Config, Diagnostics) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(diags) == 0 && !l.how.look {
		if c, known := quick(texts, vars, l.known); c != nil {
			l.known = known
			return c, nil
		}
	}
	return thorough(texts, vars, diags, l.how)
}

// thorough reads all files as a whole, every place of them known to the byte.
// Files that are not HCL at all are not looked into further: what follows from a
// syntax error only confuses.
func thorough(texts []text, vars map[string]string, diags hcl.Diagnostics, how loading) (*Config, Diagnostics) {
	var sources []*source
	for _, t := range texts {
		s, more := parse(t.name, t.bytes)
		diags = append(diags, foreign(s, t.bytes, more)...)
		sources = append(sources, s)
	}
	if diags.HasErrors() {
		return nil, present(sources, diags)
	}
	scope, more := scopeOf(sources, vars)
	diags = append(diags, more...)
	r := &reader{scope: scope, top: schema()}
	root := r.read(sources)
	diags = append(diags, r.diags...)
	b := newBuilder(r.diags)
	b.how = how
	c := b.config(root, nil)
	if how.look && !diags.HasErrors() && !b.diags.HasErrors() {
		b.unclaimed(c) // of addresses that are wrong it would only confuse
		b.hashed(c)
		b.answerless(c)
		b.portless(c)
	}
	diags = append(diags, b.diags...)
	found := present(sources, diags)
	if found.HasErrors() {
		return nil, found
	}
	c.Files = files(texts, scope.read, b.read)
	return c, found
}

// files are those of the configuration, then those that it reads, by name.
func files(texts []text, read ...[]string) []string {
	var all []string
	for _, t := range texts {
		all = append(all, t.name)
	}
	more := slices.Concat(read...)
	slices.SortFunc(more, strings.Compare)
	return append(all, slices.Compact(more)...)
}
