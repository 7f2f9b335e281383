package conf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"usher/healthcheck/files"
)

// source is one configuration file.
type source struct {
	name string // as messages call it
	file *hcl.File
	body *hclsyntax.Body
}

// collect lists the files that paths mean: a file is itself, a folder every *.hcl
// in it, in name order.
func collect(ctx context.Context, paths []string) ([]string, hcl.Diagnostics) {
	var names []string
	var diags hcl.Diagnostics
	if len(paths) == 0 {
		diags = append(diags, placeless("No configuration given", "Name at least one file or folder."))
	}
	for _, path := range paths {
		info, err := files.Stat(ctx, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			diags = append(diags, placeless("Configuration not found", fmt.Sprintf("There is no file or folder %s.", path)))
			continue
		case err != nil:
			diags = append(diags, placeless("Configuration cannot be read", err.Error()))
			continue
		case !info.IsDir():
			names = append(names, path)
			continue
		}
		found, err := folder(ctx, path)
		if err != nil {
			diags = append(diags, placeless("Configuration cannot be read", err.Error()))
		} else if len(found) == 0 {
			diags = append(diags, placeless("Folder without configuration", fmt.Sprintf("The folder %s holds no file whose name ends in .hcl.", path)))
		}
		names = append(names, found...)
	}
	seen := map[string]bool{}
	for _, n := range names {
		if clean := filepath.Clean(n); seen[clean] {
			diags = append(diags, placeless("Configuration given twice", fmt.Sprintf("The file %s is named twice, by itself or through its folder.", n)))
		} else {
			seen[clean] = true
		}
	}
	return names, diags
}

// Folder lists the configuration files that a folder means: every *.hcl directly in it
// that is not hidden, in name order.
func Folder(path string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), files.Patience)
	defer cancel()
	return folder(ctx, path)
}

func folder(ctx context.Context, path string) ([]string, error) {
	entries, err := files.Folder(ctx, path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".hcl") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

// parse reads the syntax of one file. Even a file with errors gives what could be
// understood of it, so that later stages complain about the rest at once.
func parse(name string, text []byte) (*source, hcl.Diagnostics) {
	if body := inPieces(name, text); body != nil {
		return &source{name: name, file: &hcl.File{Body: body, Bytes: text}, body: body}, nil
	}
	if deep := tooDeep(text, name); deep != nil {
		return &source{name: name, file: &hcl.File{Bytes: text}}, hcl.Diagnostics{deep}
	}
	file, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	s := &source{name: name, file: file}
	if file != nil {
		s.body, _ = file.Body.(*hclsyntax.Body)
	}
	return s, diags
}

// inPieces parses a text piece by piece (cut), with the places that each has in the
// whole, and gives nil where a piece has anything to complain of: a parse of the whole
// says it better. HCL collects the tokens of what it parses in one list, the growing of
// which is more than half of the work where that is a large file.
func inPieces(name string, text []byte) *hclsyntax.Body {
	all := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	at := hcl.InitialPos
	for i, part := range cut(text) {
		body := whole(name, part, at)
		if body == nil {
			return nil
		}
		for key, a := range body.Attributes {
			if all.Attributes[key] != nil {
				return nil // it is there already
			}
			all.Attributes[key] = a
		}
		all.Blocks = append(all.Blocks, body.Blocks...)
		if i == 0 {
			all.SrcRange = body.SrcRange
		}
		all.SrcRange.End, all.EndRange = body.SrcRange.End, body.EndRange
		at.Line += bytes.Count(part, []byte("\n"))
		at.Byte += len(part)
	}
	return all
}

// placeless is an error that no place in a file is to blame for.
func placeless(summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail}
}
