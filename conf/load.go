package conf

// Load reads the configuration in paths (files, or folders with *.hcl files) with
// values for its variables; those that are not given come from the environment
// (USHER_VAR_name). The Config is nil if a diagnostic is an error.
func Load(paths []string, vars map[string]string) (*Config, Diagnostics) {
	return new(Loader).Load(paths, vars)
}

// LoadText is Load for a configuration that is not in a file; name is what
// messages call it, and paths in it are relative to name's folder.
func LoadText(name string, b []byte, vars map[string]string) (*Config, Diagnostics) {
	return new(Loader).load([]text{{name, b}}, vars, nil)
}
