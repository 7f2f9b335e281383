package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"usher/healthcheck/redact"
)

// printJSON writes a document for programs, indented for people who look.
func printJSON(w io.Writer, v any) error { return printSecret(w, v, nil) }

// printSecret is printJSON of what may hold secrets, which are not shown.
func printSecret(w io.Writer, v any, secrets *redact.Set) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", secrets.JSON(b))
	return err
}

// printLine writes a document on one line, for streams of them.
func printLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(bytes.TrimSpace(b), '\n'))
	return err
}
