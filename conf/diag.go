package conf

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// Severity tells errors from warnings.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Position is a place in a file. Line and Column count from 1, Column in
// characters, Byte from 0.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Range is a stretch of a file, without its End.
type Range struct {
	Filename string   `json:"filename"`
	Start    Position `json:"start"`
	End      Position `json:"end"`
}

// Diagnostic is one complaint at its place.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Range    *Range   `json:"range,omitempty"`   // nil where no file is to blame
	Context  string   `json:"context,omitempty"` // the blocks around, as in `vrrp_instance "web"`
	Source   string   `json:"source,omitempty"`  // the whole line at Range.Start
	Values   []string `json:"values,omitempty"`  // what the names in the expression stand for

	offset int // byte of Source at which the range starts
}

// Error gives place and summary in one line.
func (d Diagnostic) Error() string {
	if d.Range == nil {
		return d.Summary
	}
	return fmt.Sprintf("%s:%d,%d: %s", d.Range.Filename, d.Range.Start.Line, d.Range.Start.Column, d.Summary)
}

// Diagnostics are all complaints about a configuration, in the order of their
// places.
type Diagnostics []Diagnostic

// HasErrors says whether the configuration is unusable; warnings alone do not
// make it so.
func (ds Diagnostics) HasErrors() bool {
	for _, d := range ds {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}

// Err is the first error and how many more there are, or nil.
func (ds Diagnostics) Err() error {
	var first error
	more := -1
	for _, d := range ds {
		if d.Severity == SeverityError {
			more++
			if first == nil {
				first = d
			}
		}
	}
	if more > 0 {
		return fmt.Errorf("%w (and %d more)", first, more)
	}
	return first
}

func position(p hcl.Pos) Position { return Position{Line: p.Line, Column: p.Column, Byte: p.Byte} }
