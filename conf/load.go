package conf

import (
	"os"

	"github.com/hashicorp/hcl/v2"
)

// Load reads the configuration in paths (files, or folders with *.hcl files) with
// values for its variables, those of the environment (USHER_VAR_name) aside. The
// Config is nil if a diagnostic is an error.
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
	return build(sources, vars, diags)
}

// build makes a configuration of parsed files.
func build(sources []*source, vars map[string]string, diags hcl.Diagnostics) (*Config, Diagnostics) {
	found := present(sources, diags)
	if found.HasErrors() {
		return nil, found
	}
	c := &Config{}
	for _, s := range sources {
		c.Files = append(c.Files, s.name)
	}
	return c, found
}
