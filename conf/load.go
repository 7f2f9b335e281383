package conf

import (
	"os"

	"github.com/hashicorp/hcl/v2"
)

// Load reads the configuration in paths (files, or folders with *.hcl files) with
// values for its variables; those that are not given come from the environment
// (USHER_VAR_name). The Config is nil if a diagnostic is an error.
func Load(paths []string, vars map[string]string) (*Config, Diagnostics) {
	names, diags := collect(paths)
	var sources []*source
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			diags = append(diags, placeless("Configuration cannot be read", err.Error()))
			continue
		}
		s, more := parse(name, text)
		diags = append(diags, more...)
		sources = append(sources, s)
	}
	return load(sources, vars, diags)
}

// load makes a configuration of parsed files. Files that are not HCL at all are
// not looked into further: what follows from a syntax error only confuses.
func load(sources []*source, vars map[string]string, diags hcl.Diagnostics) (*Config, Diagnostics) {
	if diags.HasErrors() {
		return nil, present(sources, diags)
	}
	scope, more := scopeOf(sources, vars)
	diags = append(diags, more...)
	r := &reader{scope: scope}
	root := r.read(sources)
	diags = append(diags, r.diags...)
	b := newBuilder(r.diags)
	c := b.config(root)
	diags = append(diags, b.diags...)
	found := present(sources, diags)
	if found.HasErrors() {
		return nil, found
	}
	for _, s := range sources {
		c.Files = append(c.Files, s.name)
	}
	c.Files = append(append(c.Files, scope.read...), b.read...)
	return c, found
}

// LoadText is Load for a configuration that is not in a file; name is what
// messages call it, and paths in it are relative to name's folder.
func LoadText(name string, text []byte, vars map[string]string) (*Config, Diagnostics) {
	s, diags := parse(name, text)
	return load([]*source{s}, vars, diags)
}
