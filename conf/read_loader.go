package conf

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"usher/vrrp/timespan"
)

// Loader loads configurations one after the other and remembers of the last good
// one what the next may well have again, so that a reload costs what has changed
// and not what there is. What it gives is always what Load would give. It is safe
// for concurrent use.
type Loader struct {
	// Programs looks whether this machine can run a program of the configuration: its
	// arguments, of which the first names it, as a user ("" for usher's own), with that in
	// its environment. The error, a warning at its place, says why not. Nil for not to look,
	// as where the configuration is for another machine.
	Programs func(args []string, user string, environment []string) error
	// Files looks whether this machine has a file that a check reads when it runs, by its
	// path, and Variables whether this process has a variable of its environment that a
	// check's secret comes from, by its name. Errors and nil are as with Programs; each is
	// asked once for a name while a configuration is loaded, from several goroutines.
	Files, Variables func(string) error
	// Addresses looks whether this machine has the source address of a check. Error and nil
	// are as with Programs.
	Addresses func(string) error

	how loading

	mu    sync.Mutex // never held while anything is read or evaluated
	known pools      // of the last good configuration
}

// Limit is how long a configuration may take to be read and evaluated.
const Limit = 30 * time.Second

var errSlow = fmt.Errorf("it takes longer than %s", timespan.Text(Limit))

// loading is how a configuration is read.
type loading struct {
	ctx  context.Context // bounds reading and evaluating; nil for no bound but the sizes
	open opener          // of files with secrets; files.Read where nil
	look bool            // nobody runs it: see Inspect
	// programs is Loader.Programs.
	programs func(args []string, user string, environment []string) error
	// files and variables are Loader.Files and Loader.Variables.
	files, variables func(string) error
	addresses        func(string) error // Loader.Addresses
	most             int64              // bytes of values that expressions may make; mostMade where 0
}

// text is a configuration file as read.
type text struct {
	name  string // as messages call it
	bytes []byte
}

// context is what bounds the loading.
func (h loading) context() context.Context {
	if h.ctx == nil {
		return context.Background()
	}
	return h.ctx
}

// Load is the function Load.
func (l *Loader) Load(paths []string, vars map[string]string) (*Config, Diagnostics) {
	return l.LoadContext(context.Background(), paths, vars)
}

// LoadContext is Load that takes no longer than ctx, and than Limit: a file system that
// does not answer, and an expression without an end, are errors at their place. What
// cannot be interrupted (a syntax tree that is being made) is short.
func (l *Loader) LoadContext(ctx context.Context, paths []string, vars map[string]string) (*Config, Diagnostics) {
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, errSlow)
	defer cancel()
	how := l.how
	how.ctx, how.programs, how.files, how.variables, how.addresses = ctx, l.Programs, once(l.Files), once(l.Variables), l.Addresses
	names, diags := collect(ctx, paths)
	var texts []text
	for _, name := range names {
		b, more := readFile(ctx, name)
		if diags = append(diags, more...); !more.HasErrors() {
			texts = append(texts, text{name, b})
		}
	}
	return l.within(texts, vars, diags, how)
}

// load is within without a bound of time.
func (l *Loader) load(texts []text, vars map[string]string, diags hcl.Diagnostics) (*Config, Diagnostics) {
	return l.within(texts, vars, diags, l.how)
}

// within takes the quick way, which gives up as soon as there is anything to say,
// and then the thorough one, which says it.
func (l *Loader) within(texts []text, vars map[string]string, diags hcl.Diagnostics, how loading) (*Config, Diagnostics) {
	if more := tooMuch(texts); more != nil {
		return nil, present(nil, append(diags, more...))
	}
	if len(diags) == 0 && !how.look {
		l.mu.Lock()
		known := l.known
		l.mu.Unlock()
		if c, known := quick(texts, vars, known, how); c != nil {
			l.mu.Lock()
			l.known = known
			l.mu.Unlock()
			return c, nil
		}
	}
	if size := sizeOf(texts); size > thoroughMost {
		return nil, present(nil, append(diags, placeless("Too large to say what is wrong", fmt.Sprintf("Something in the configuration is to be told of, and with %d MiB in all it is too large to be looked at as a whole (%d MiB at most). Validate parts of it.", size>>20, thoroughMost>>20))))
	}
	return thorough(texts, vars, diags, how)
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
	meter := newMeter(how.context(), how.most)
	for _, s := range sources {
		meter.body(s.body)
	}
	var scope *scope
	var root *node
	r := &reader{top: schema()}
	aborted := meter.bounded(func() {
		var more hcl.Diagnostics
		scope, more = scopeOf(sources, vars, meter)
		diags = append(diags, more...)
		r.scope = scope
		root = r.read(sources)
	})
	diags = plainly(slices.Concat(diags, r.diags, aborted))
	if aborted != nil || meter.over() != nil {
		// What follows from it only confuses, and somebody may have caught it by try.
		found := present(sources, meter.complaint(diags, aborted))
		if scope != nil {
			found.conceal(slices.Concat(scope.hidden.values, scope.hidden.lines, written(sources)))
		}
		return nil, found
	}
	b := newBuilder(r.diags)
	b.how, b.texts = how, scope.texts
	c := b.config(root, nil)
	b.bound(root, c)
	if how.look && !diags.HasErrors() && !b.diags.HasErrors() {
		b.unclaimed(c) // of addresses that are wrong it would only confuse
		b.longLeases(c)
		b.hashed(c)
		b.answerless(c)
		b.portless(c)
		b.manyDirectors(c)
	}
	diags = append(diags, b.diags...)
	found := present(sources, diags)
	c.keep(scope.hidden)
	if len(found) > 0 {
		found.conceal(slices.Concat(scope.hidden.lines, written(sources), c.Secrets()))
	}
	if found.HasErrors() {
		return nil, found
	}
	c.Files = allFiles(texts, scope.read, b.read)
	return c, found
}

// allFiles are those of the configuration, then those that it reads, by name.
func allFiles(texts []text, read ...[]string) []string {
	var all []string
	for _, t := range texts {
		all = append(all, t.name)
	}
	more := slices.Concat(read...)
	slices.SortFunc(more, strings.Compare)
	return append(all, slices.Compact(more)...)
}
