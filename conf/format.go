package conf

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format gives the text of a configuration file in its one canonical layout,
// comments kept. A file with a syntax error is left alone and complained of.
func Format(text []byte, name string) ([]byte, Diagnostics) {
	if deep := tooDeep(text, name); deep != nil {
		return nil, present([]*source{{name: name, file: &hcl.File{Bytes: text}}}, hcl.Diagnostics{deep})
	}
	file, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, present([]*source{{name: name, file: file}}, diags)
	}
	return hclwrite.Format(text), nil
}
