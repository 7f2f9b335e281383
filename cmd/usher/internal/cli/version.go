package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what is known of how the program was made.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified"`       // built from a checkout with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// stamp is the version that a package's build puts in (-ldflags -X); "" elsewhere.
var stamp string

// Version is the program's: a package's, or of the tag that it was built from, else
// (devel).
func Version() string { return buildInfo().Version }

func buildInfo() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	if stamp != "" {
		b.Version = stamp
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (a *app) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Version and build information",
		Args:  cobra.NoArgs,
		RunE: do(func(_ *cobra.Command, _ []string) error {
			b := buildInfo()
			if asJSON {
				return printJSON(a.Stdout, b)
			}
			fmt.Fprintf(a.Stdout, "usher %s\n", b.Version)
			if b.Revision != "" {
				modified := ""
				if b.Modified {
					modified = ", with changes"
				}
				fmt.Fprintf(a.Stdout, "revision %s of %s%s\n", b.Revision, b.Time, modified)
			}
			_, err := fmt.Fprintf(a.Stdout, "built with %s for %s\n", b.Go, b.Platform)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
