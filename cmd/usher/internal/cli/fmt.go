package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/terminal"
	"usher/conf"
)

func (a *app) format() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE|DIR...]",
		Short: "Put configuration files into their canonical layout",
		Long: `Rewrite files, and the *.hcl files of folders, in the one canonical layout, and
print the names of those that changed. Comments stay. Without an argument, or with
"-", it reads stdin and writes stdout.

Exit status: 0 done, 1 failed, or --check found a file that would change, 2 the
command line makes no sense.`,
		Example: "  usher fmt /etc/usher\n  usher fmt --check lb.hcl",
		RunE: do(func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && args[0] == "-" {
				return a.formatStream()
			}
			return a.formatFiles(args, check)
		}),
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; exit with 1 if a file would change")
	return cmd
}

func (a *app) formatStream() error {
	text, err := io.ReadAll(a.Stdin)
	if err != nil {
		return err
	}
	out, err := a.formatted(text, "stdin")
	if err == nil {
		_, err = a.Stdout.Write(out)
	}
	return err
}

// formatted is one file's text in its layout; complaints are printed.
func (a *app) formatted(text []byte, name string) ([]byte, error) {
	out, diags := conf.Format(text, name)
	if diags.HasErrors() {
		fmt.Fprint(a.Stderr, diags.Text(terminal.Colours(a.Stderr, a.Getenv)))
		return nil, status(exitFailed)
	}
	return out, nil
}

func (a *app) formatFiles(paths []string, check bool) error {
	var files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			files = append(files, p)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(p, "*.hcl"))
		if err != nil {
			return err
		}
		files = append(files, inside...)
	}
	failed := false
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		out, err := a.formatted(text, name)
		if err != nil { // said already; the other files still get their turn
			failed = true
			continue
		}
		if bytes.Equal(out, text) {
			continue
		}
		fmt.Fprintln(a.Stdout, name)
		if check {
			failed = true
			continue
		}
		if err := replace(name, out); err != nil {
			return err
		}
	}
	if failed {
		return status(exitFailed)
	}
	return nil
}

// replace rewrites a file in place, with its mode and links as they were.
func replace(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
