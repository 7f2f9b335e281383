package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// wants gives the check of a command's arguments, one for each of these names: what is
// missing or too much is named, with the command's own example.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		var problem string
		switch n := len(names); {
		case len(args) < n:
			problem = strings.Join(names[len(args):], " and ") + " is missing"
			if n-len(args) > 1 {
				problem = strings.Join(names[len(args):], " and ") + " are missing"
			}
		case len(args) > n:
			problem = fmt.Sprintf("%q is too much", args[n])
		default:
			return nil
		}
		problem += fmt.Sprintf(": usher %s", cmd.Use)
		if example, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n"); example != "" {
			problem += ", as in: " + example
		}
		return &usageError{errors.New(problem)}
	}
}

// anyOf gives the check of a command's one argument, which is one of these words.
func anyOf(words ...string) cobra.PositionalArgs {
	one := wants(strings.Join(words, " or "))
	return func(cmd *cobra.Command, args []string) error {
		if err := one(cmd, args); err != nil {
			return err
		}
		for _, w := range words {
			if args[0] == w {
				return nil
			}
		}
		return &usageError{fmt.Errorf("%q is neither %s: usher %s", args[0], strings.Join(words, " nor "), cmd.Use)}
	}
}
