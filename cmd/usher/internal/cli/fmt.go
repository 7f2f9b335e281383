package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/terminal"
	"usher/conf"
	"usher/healthcheck/files"
)

// formattedFile is one file of `usher fmt --json`.
type formattedFile struct {
	Name        string           `json:"name"`          // "stdin" for the stream
	Changed     bool             `json:"changed"`       // or would be, with --check
	HCL         *string          `json:"hcl,omitempty"` // of the stream, in its layout
	Diagnostics conf.Diagnostics `json:"diagnostics"`
}

func (a *app) format() *cobra.Command {
	var check, asJSON bool
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
			var files []formattedFile
			var err error
			if len(args) == 0 || len(args) == 1 && args[0] == "-" {
				files, err = a.formatStream()
			} else {
				files, err = formatFiles(args, check)
			}
			if err != nil {
				return err
			}
			return a.showFormatted(files, check, asJSON)
		}),
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; exit with 1 if a file would change")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what became of each file as JSON")
	return cmd
}

func (a *app) formatStream() ([]formattedFile, error) {
	text, err := io.ReadAll(a.Stdin)
	if err != nil {
		return nil, err
	}
	f, out := formatted("stdin", text)
	if !f.Diagnostics.HasErrors() {
		whole := string(out)
		f.HCL = &whole
	}
	return []formattedFile{f}, nil
}

// formatted is one file's text in its layout.
func formatted(name string, text []byte) (formattedFile, []byte) {
	out, diags := conf.Format(text, name)
	if diags == nil {
		diags = conf.Diagnostics{}
	}
	return formattedFile{Name: name, Changed: !diags.HasErrors() && !bytes.Equal(out, text), Diagnostics: diags}, out
}

// formatFiles goes through all files, those that are invalid too.
func formatFiles(paths []string, check bool) ([]formattedFile, error) {
	names, err := filesOf(paths)
	if err != nil {
		return nil, err
	}
	all := []formattedFile{}
	for _, name := range names {
		text, err := files.Soon(name, conf.MaxSize)
		if err != nil {
			return nil, err
		}
		f, out := formatted(name, text)
		if f.Changed && !check {
			if err := replace(name, out); err != nil {
				return nil, err
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// filesOf are files, and the *.hcl files of folders.
func filesOf(paths []string) ([]string, error) {
	var files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, p)
			continue
		}
		inside, err := conf.Folder(p)
		if err != nil {
			return nil, err
		}
		if len(inside) == 0 {
			return nil, fmt.Errorf("the folder %s holds no file whose name ends in .hcl", p)
		}
		files = append(files, inside...)
	}
	return files, nil
}

// showFormatted prints what became of the files, and gives the exit status.
func (a *app) showFormatted(files []formattedFile, check, asJSON bool) error {
	failed := false
	for _, f := range files {
		failed = failed || f.Diagnostics.HasErrors() || check && f.Changed
		if asJSON {
			continue
		}
		var err error
		switch {
		case f.Diagnostics.HasErrors():
			_, err = fmt.Fprint(a.Stderr, f.Diagnostics.Text(terminal.Colours(a.Stderr, a.Getenv)))
		case f.HCL != nil:
			_, err = io.WriteString(a.Stdout, *f.HCL)
		case f.Changed:
			_, err = fmt.Fprintln(a.Stdout, f.Name)
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		if err := printJSON(a.Stdout, map[string]any{"files": files}); err != nil {
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
