package conf

// Load reads the configuration in paths (files, or folders with *.hcl files) with
// values for its variables; those that are not given come from the environment
// (USHER_VAR_name). The Config is nil if a diagnostic is an error.
func Load(paths []string, vars map[string]string) (*Config, Diagnostics) {
	return new(Loader).Load(paths, vars)
}

// Inspect is Load for who only looks at a configuration: a file with a secret that
// is there, but not for this user to read, is a warning, and so is a service whose
// address no instance holds. The Config is not one to run.
func Inspect(paths []string, vars map[string]string) (*Config, Diagnostics) {
	return new(Loader).Inspect(paths, vars)
}

// Inspect is the function Inspect.
func (l *Loader) Inspect(paths []string, vars map[string]string) (*Config, Diagnostics) {
	return (&Loader{Programs: l.Programs, Files: l.Files, Variables: l.Variables, Addresses: l.Addresses, how: loading{look: true}}).Load(paths, vars)
}

// CheckText is LoadText where the files with secrets are on another machine: they are not
// looked at, and taken for good. The Config is not one to run.
func CheckText(name string, b []byte) (*Config, Diagnostics) {
	elsewhere := func(string) ([]byte, error) { return []byte(unread), nil }
	return (&Loader{how: loading{open: elsewhere}}).load([]text{{name, b}}, nil, nil)
}

// LoadText is Load for a configuration that is not in a file; name is what
// messages call it, and paths in it are relative to name's folder.
func LoadText(name string, b []byte, vars map[string]string) (*Config, Diagnostics) {
	return new(Loader).load([]text{{name, b}}, vars, nil)
}
