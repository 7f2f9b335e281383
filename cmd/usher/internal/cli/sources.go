package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"usher/conf"
)

// defaultConfig is the folder that is read where no -c is given.
const defaultConfig = "/etc/usher"

// sources are the flags by which a command reads a configuration.
type sources struct {
	paths []string
	vars  []string
}

func (s *sources) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&s.paths, "config", "c", nil, "configuration `file`, or folder of *.hcl files; may be given more than once (default "+defaultConfig+")")
	cmd.Flags().StringArrayVar(&s.vars, "var", nil, "value of a variable, as `name=value`; may be given more than once")
}

// read gives a loader. What keeps it from reading anything at all is an error
// here; what is wrong in the files is the loader's to say.
func (s *sources) read() (func() (*conf.Config, conf.Diagnostics), error) {
	paths := s.paths
	if len(paths) == 0 {
		paths = []string{defaultConfig}
	}
	vars := map[string]string{}
	for _, v := range s.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, &usageError{fmt.Errorf("--var %s: write it as name=value", v)}
		}
		vars[name] = value
	}
	var missing []error
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			missing = append(missing, fmt.Errorf("configuration: %w", err))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	return func() (*conf.Config, conf.Diagnostics) { return conf.Load(paths, vars) }, nil
}
