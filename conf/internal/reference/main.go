// Command reference writes the configuration reference from the schema.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"usher/conf"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("reference", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "", "file to write; standard output where not given")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *out == "" {
		fmt.Fprint(stdout, conf.Reference())
		return 0
	}
	if err := os.WriteFile(*out, []byte(conf.Reference()), 0o644); err != nil {
		fmt.Fprintln(stderr, "reference:", err)
		return 1
	}
	return 0
}
