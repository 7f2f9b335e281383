package conf

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format gives the text of a configuration file in its one canonical layout,
// comments kept. A file with a syntax error is left alone and complained of.
func Format(text []byte, name string) ([]byte, Diagnostics) {
	file, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, present([]*source{{name: name, file: file}}, diags)
	}
	return hclwrite.Format(text), nil
}
