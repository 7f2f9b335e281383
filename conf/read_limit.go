package conf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Bounds of what expressions make, in bytes of memory, roughly. They leave room for some
// hundred thousand servers by dynamic blocks.
const (
	mostValue    = 64 << 20  // of one value, as if nothing in it were shared
	mostMade     = 256 << 20 // of all values that one loading makes
	mostExponent = 4096      // of numbers, which are written out in digits: 2 to the power of this
	valueCost    = 128       // of one value beside its text
	blockCost    = 2048      // of one block that a dynamic block makes
	mostTuple    = 20_000    // elements that are made one type, for which each is compared with each
	mostErrors   = 1000      // of expressions
	mostLocals   = 5000      // local values, and variables
	mostOther    = 8 << 20   // bytes of text that are no virtual_server
	thoroughMost = 32 << 20  // bytes of text of which is said what is wrong in them
)

// meter bounds what the expressions of one loading cost. HCL evaluates them by itself and
// without bounds, so the syntax tree gets calls of the meter's own functions around
// whatever makes a value, and the functions that a user calls say beforehand how large
// their result can be. It is safe for concurrent use.
type meter struct {
	ctx    context.Context
	most   int64 // bytes of all values
	made   atomic.Int64
	errors atomic.Int64              // complaints of expressions
	ended  atomic.Pointer[hcl.Range] // the expression at which it ran out

	calls map[string]function.Function // what the syntax tree calls
}

func newMeter(ctx context.Context, most int64) *meter {
	m := &meter{ctx: ctx, most: cmp.Or(most, mostMade)}
	m.calls = map[string]function.Function{
		meterValue: m.watch(m.value),
		meterTuple: m.watch(func(v cty.Value) error {
			v, _ = v.Unmark()
			if t := v.Type(); t.IsTupleType() && t.Length() > mostTuple || t.IsObjectType() && len(t.AttributeTypes()) > mostTuple {
				return &tooLargeError{fmt.Sprintf("a function or condition takes a list or map of %d elements, not more", mostTuple)}
			}
			return nil
		}),
		meterBlocks: m.watch(func(v cty.Value) error {
			v, _ = v.Unmark()
			if v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
				return nil
			}
			return m.charge(blockCost * int64(v.LengthInt()))
		}),
	}
	return m
}

// The names of the meter's functions cannot be written in HCL.
const (
	meterValue  = "a value"
	meterBlocks = "blocks"
	meterTuple  = "an argument"
)

// tooLargeError is for expressions that went over a bound.
type tooLargeError struct{ text string }

func (e *tooLargeError) Error() string { return e.text }

// over is the error of a meter that has run out, or nil: all later expressions have it,
// too.
func (m *meter) over() error {
	if m.ctx.Err() != nil {
		return fmt.Errorf("the configuration cannot be evaluated in time: %w", context.Cause(m.ctx))
	}
	if m.made.Load() > m.most {
		return &tooLargeError{fmt.Sprintf("the expressions of the configuration make more than %d MiB of values", m.most>>20)}
	}
	return nil
}

// charge counts bytes that were made, or are about to be.
func (m *meter) charge(bytes int64) error {
	if bytes > mostValue {
		return &tooLargeError{fmt.Sprintf("the result would take more than %d MiB", mostValue>>20)}
	}
	m.made.Add(bytes)
	return m.over()
}

// value charges a value that was made.
func (m *meter) value(v cty.Value) error {
	n, err := size(v)
	if err != nil {
		return err
	}
	return m.charge(n)
}

// size is how much memory a value takes if nothing in it is shared: later steps go
// through it as if nothing were.
func size(v cty.Value) (int64, error) {
	left := int64(mostValue)
	err := measure(v, &left)
	return mostValue - left, err
}

func measure(v cty.Value, left *int64) error {
	if *left -= valueCost; *left < 0 {
		return &tooLargeError{fmt.Sprintf("the value takes more than %d MiB", mostValue>>20)}
	}
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		*left -= int64(len(v.AsString()))
	case t == cty.Number:
		if f := v.AsBigFloat(); f.IsInf() || f.Sign() != 0 && (f.MantExp(nil) > mostExponent || f.MantExp(nil) < -mostExponent) {
			return &tooLargeError{fmt.Sprintf("a number must be between 2 to the power of -%d and of %d", mostExponent, mostExponent)}
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			key, e := it.Element()
			if key.Type() == cty.String {
				*left -= int64(len(key.AsString()))
			}
			if err := measure(e, left); err != nil {
				return err
			}
		}
	}
	return nil
}

// abort is what a meter that has run out panics with: HCL's loops would go on, and
// collect an error at each turn.
type abort struct{ diags hcl.Diagnostics }

// bounded evaluates something, and gives the complaints of one that was aborted.
func (m *meter) bounded(evaluate func()) (diags hcl.Diagnostics) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case abort:
			diags = r.diags
		default:
			panic(r)
		}
	}()
	evaluate()
	return nil
}

// watch is a function that gives its argument, evaluated and looked at by check.
func (m *meter) watch(check func(cty.Value) error) function.Function {
	var result cty.Type
	result = cty.CapsuleWithOps("value", reflect.TypeFor[cty.Value](), &cty.CapsuleOps{
		ExtensionData: func(key any) any {
			if key != customdecode.CustomExpressionDecoder {
				return nil
			}
			return customdecode.CustomExpressionDecoderFunc(func(e hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
				v, diags := m.evaluate(e, ctx, check)
				return cty.CapsuleVal(result, &v), diags
			})
		},
	})
	inside := func(v cty.Value) cty.Value { return *v.EncapsulatedValue().(*cty.Value) }
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: result}},
		Type:   func(args []cty.Value) (cty.Type, error) { return inside(args[0]).Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return inside(args[0]), nil },
	})
}

// evaluate gives the value of an expression, or an error at its place. When all is used
// up, it is the end of the whole evaluation.
func (m *meter) evaluate(e hcl.Expression, ctx *hcl.EvalContext, check func(cty.Value) error) (cty.Value, hcl.Diagnostics) {
	m.stopIfOver(e.Range())
	v, diags := e.Value(ctx)
	if !diags.HasErrors() {
		if err := check(v); err != nil {
			v, diags = cty.DynamicVal, append(diags, complain(boundless, sentence(err), e.Range()))
		}
	}
	m.stopIfOver(e.Range())
	if n := int64(len(diags)); n > 0 && m.errors.Add(n) > mostErrors {
		panic(abort{diags[:min(n, mostErrors)]})
	}
	return v, diags
}

func (m *meter) stopIfOver(at hcl.Range) {
	if err := m.over(); err != nil {
		m.ended.CompareAndSwap(nil, &at)
		panic(abort{hcl.Diagnostics{complain(boundless, sentence(err), at)}})
	}
}

const boundless = "Expression without bounds"

// alone is a scope with nothing but the meter's functions.
func (m *meter) alone() *hcl.EvalContext { return &hcl.EvalContext{Functions: m.calls} }

// function is f with its bounds.
func (m *meter) function(name string, f function.Function) function.Function {
	before := func(args []cty.Value) error {
		if err := m.over(); err != nil {
			return err
		}
		n, err := bound(name, args)
		if err == nil && n > mostValue {
			err = &tooLargeError{fmt.Sprintf("its result could take more than %d MiB", mostValue>>20)}
		}
		return err
	}
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      f.Params(),
		VarParam:    f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := before(args); err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err == nil {
				err = m.value(v)
			}
			return v, err
		},
	})
}

// plainly rewrites the complaints about functions that would go over a bound.
func plainly(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok {
			continue
		}
		err := extra.FunctionCallError()
		var large *tooLargeError
		if errors.As(err, &large) {
			d.Summary, d.Detail = boundless, fmt.Sprintf("The function %s: %s.", extra.CalledFunctionName(), err)
		}
	}
	return diags
}

func sentence(err error) string {
	text := err.Error() + "."
	if text[0] >= 'a' && text[0] <= 'z' {
		return string(text[0]-'a'+'A') + text[1:]
	}
	return text
}

// complaint leaves of all complaints those that tell why the evaluation was aborted, since
// the others follow from it; where none does, as it was caught, it makes one.
func (m *meter) complaint(diags, aborted hcl.Diagnostics) hcl.Diagnostics {
	err := m.over()
	if err == nil {
		return aborted // of all the errors in it
	}
	for _, d := range diags {
		if d.Summary == boundless || m.ctx.Err() != nil && d.Severity == hcl.DiagError && d.Summary == "Invalid function argument" {
			return hcl.Diagnostics{d} // the latter is a file that did not answer
		}
	}
	d := placeless(boundless, sentence(err))
	d.Subject = m.ended.Load()
	return hcl.Diagnostics{d}
}
