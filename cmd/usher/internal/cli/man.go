package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// man prints the manual page, made from the same source as the help.
func (a *app) man(root *cobra.Command) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "man",
		Short: "Print the manual page (troff)",
		Example: `  usher man | man -l -
  usher man --json | jq -r '.commands[] | "\(.name): \(.short)"'`,
		Args: cobra.NoArgs,
		RunE: do(func(_ *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(a.Stdout, map[string]any{"commands": described(root)})
			}
			return manual(a.Stdout, root)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print commands and options as JSON instead")
	return cmd
}

// commandText is a command as `usher man --json` describes it.
type commandText struct {
	Name    string     `json:"name"`
	Usage   string     `json:"usage"`
	Short   string     `json:"short"`
	Long    string     `json:"long,omitempty"`
	Example string     `json:"example,omitempty"`
	Flags   []flagText `json:"flags"`
}

// flagText is one option of a command.
type flagText struct {
	Name    string `json:"name"` // without its dashes
	Short   string `json:"short,omitempty"`
	Type    string `json:"type"`
	Default string `json:"default"`
	Usage   string `json:"usage"`
}

// documented are the commands that manual and help show.
func documented(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			all = append(all, c)
		}
	}
	return all
}

func described(root *cobra.Command) []commandText {
	var all []commandText
	for _, c := range documented(root) {
		text := commandText{Name: c.Name(), Usage: c.UseLine(), Short: c.Short, Long: c.Long, Example: c.Example, Flags: []flagText{}}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				_, usage := pflag.UnquoteUsage(f)
				text.Flags = append(text.Flags, flagText{Name: f.Name, Short: f.Shorthand, Type: f.Value.Type(), Default: f.DefValue, Usage: usage})
			}
		})
		all = append(all, text)
	}
	return all
}

// manual writes one page for all commands. cobra/doc would write a page for each, knows no
// FILES, and goes through Markdown, which takes the lines of an example that are indented
// by two for running text.
func manual(w io.Writer, root *cobra.Command) error {
	var b strings.Builder
	b.WriteString(".TH USHER 8 \"\" \"usher\" \"System Administration\"\n.SH NAME\n")
	fmt.Fprintf(&b, "usher \\- %s\n", roff(root.Short))
	b.WriteString(".SH SYNOPSIS\n.B usher\n.I command\n.RI [ options ]\n.SH DESCRIPTION\n")
	paragraphs(&b, root.Long)
	b.WriteString(".SH COMMANDS\n")
	for _, c := range documented(root) {
		fmt.Fprintf(&b, ".SS %s\n", roff(c.UseLine()))
		text := c.Long
		if text == "" || c.HasSubCommands() {
			text = c.Short + "."
		}
		paragraphs(&b, text)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { flag(&b, f) })
		if c.Example != "" {
			b.WriteString(".PP\n.nf\n" + roff(c.Example) + "\n.fi\n")
		}
	}
	b.WriteString(".SH FILES\n")
	for _, f := range []struct{ path, what string }{
		{defaultConfig + "/*.hcl", "the configuration that is read where no \\-c is given"},
		{defaultControl, "the control socket"},
		{"/var/lib/usher", "state: ownership of IPVS services, overrides, the last good configuration"},
	} {
		fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(f.path), f.what)
	}
	b.WriteString(".SH SEE ALSO\n.BR ipvsadm (8),\n.BR ip (8)\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func flag(b *strings.Builder, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	kind, usage := pflag.UnquoteUsage(f)
	name := "\\-\\-" + roff(f.Name)
	if f.Shorthand != "" {
		name = "\\-" + f.Shorthand + ", " + name
	}
	fmt.Fprintf(b, ".TP\n.B %s %s\n%s\n", name, kind, roff(usage))
}

// paragraphs writes help text: indented lines stay as they are, the rest flows.
func paragraphs(b *strings.Builder, text string) {
	for _, p := range strings.Split(text, "\n\n") {
		if strings.Contains(p, "\n  ") || strings.HasPrefix(p, "  ") {
			b.WriteString(".PP\n.nf\n" + roff(p) + "\n.fi\n")
		} else {
			b.WriteString(".PP\n" + roff(p) + "\n")
		}
	}
}

// roff keeps troff from reading text as commands.
func roff(s string) string {
	s = strings.NewReplacer("\\", "\\e", "-", "\\-").Replace(s)
	var lines []string
	for _, l := range strings.Split(s, "\n") {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			l = "\\&" + l
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}
