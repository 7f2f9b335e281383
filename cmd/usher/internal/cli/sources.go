package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/command"
	"usher/conf"
)

// defaultConfig is the folder that is read where no -c is given.
const defaultConfig = "/etc/usher"

// sources are the flags by which a command reads a configuration.
type sources struct {
	paths []string
	vars  []string
	more  map[string]string // a daemon's, where vars has none
}

func (s *sources) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&s.paths, "config", "c", nil, "configuration `file`, or folder of *.hcl files; may be given more than once (default "+defaultConfig+")")
	cmd.Flags().StringArrayVar(&s.vars, "var", nil, "value of a variable, as `name=value`; may be given more than once")
}

// list is the paths that are read.
func (s *sources) list() []string {
	if len(s.paths) == 0 {
		return []string{defaultConfig}
	}
	return s.paths
}

// read gives a loader of files that are all there; what is wrong in them is the
// loader's to say.
func (s *sources) read() (func(context.Context) (*conf.Config, conf.Diagnostics), error) {
	if err := s.missing(); err != nil {
		return nil, err
	}
	return s.loader()
}

// inspect is read for commands that only look: secrets that this user may not read
// do not matter to them.
func (s *sources) inspect() (func(context.Context) (*conf.Config, conf.Diagnostics), error) {
	if err := s.missing(); err != nil {
		return nil, err
	}
	vars, err := s.variables()
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*conf.Config, conf.Diagnostics) { return here().Inspect(s.list(), vars) }, nil
}

// here is a loader for this machine, which has to have the programs, files and addresses.
// Whether a variable is set shows only in the environment of the daemon.
func here() *conf.Loader {
	return &conf.Loader{Programs: command.Look, Files: command.LookFile, Addresses: address}
}

// address says why no socket of this machine can have an address. One that is local by a
// route alone is found by trying, one of a VRF by its interface.
func address(text string) error {
	l, err := net.ListenPacket("udp", net.JoinHostPort(text, "0"))
	if err == nil {
		return l.Close()
	}
	if !errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil // not for the address
	}
	all, err := net.InterfaceAddrs()
	if err != nil || slices.ContainsFunc(all, func(a net.Addr) bool { return strings.HasPrefix(a.String(), text+"/") }) {
		return nil
	}
	return errors.New("no interface has it")
}

// set says why a variable of the environment cannot be read.
func set(name string) error {
	if _, ok := os.LookupEnv(name); !ok {
		return errors.New("it is not in usher's environment; Environment= and EnvironmentFile= of the unit put it there")
	}
	return nil
}

// missing are the files and folders that are not there.
func (s *sources) missing() error {
	var missing []error
	for _, p := range s.list() {
		if _, err := os.Stat(p); err != nil {
			missing = append(missing, fmt.Errorf("configuration: %w", err))
		}
	}
	return errors.Join(missing...)
}

// loader gives a loader; a file that is not there is one of its complaints.
func (s *sources) loader() (func(context.Context) (*conf.Config, conf.Diagnostics), error) {
	vars, err := s.variables()
	if err != nil {
		return nil, err
	}
	l := here()
	l.Variables = set
	return func(ctx context.Context) (*conf.Config, conf.Diagnostics) { return l.LoadContext(ctx, s.list(), vars) }, nil
}

// add takes the variables of a daemon, where nobody has given a value here.
func (s *sources) add(theirs api.Variables) error {
	given, err := s.variables()
	if err != nil {
		return err
	}
	here := conf.Environment()
	for name, value := range theirs.Environment {
		if _, ok := here[name]; ok {
			continue
		}
		// As in the daemon: one that no file declares is no error.
		if err := os.Setenv("USHER_VAR_"+name, value); err != nil {
			return err
		}
	}
	s.more = map[string]string{}
	for name, value := range theirs.Given {
		_, mine := given[name]
		if _, ok := here[name]; !ok && !mine {
			s.more[name] = value
		}
	}
	return nil
}

// variables are those given by --var, and what add has added.
func (s *sources) variables() (map[string]string, error) {
	vars := map[string]string{}
	maps.Copy(vars, s.more)
	for _, v := range s.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, &usageError{fmt.Errorf("--var %s: write it as name=value", v)}
		}
		vars[name] = value
	}
	return vars, nil
}
