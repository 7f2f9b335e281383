package conf

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// body puts the meter into the expressions of a body. What HCL looks at without
// evaluating it (types, names of iterators, the elements of a list) keeps its form.
func (m *meter) body(b *hclsyntax.Body) {
	if b == nil {
		return
	}
	for _, a := range b.Attributes {
		a.Expr = m.root(a.Expr)
	}
	for _, c := range b.Blocks {
		switch c.Type {
		case "variable":
			if a := c.Body.Attributes["default"]; a != nil {
				a.Expr = m.expression(a.Expr)
			}
		case "locals":
			for _, a := range c.Body.Attributes {
				a.Expr = m.expression(a.Expr)
			}
		case "dynamic":
			for name, a := range c.Body.Attributes {
				switch name {
				case "for_each":
					a.Expr = call(meterBlocks, m.expression(a.Expr))
				case "labels":
					a.Expr = m.root(a.Expr)
				}
			}
			for _, content := range c.Body.Blocks {
				m.body(content.Body)
			}
		default:
			m.body(c.Body)
		}
	}
}

// root is expression for an argument's whole value. A list or an object stays one: its
// elements are found by their places.
func (m *meter) root(e hclsyntax.Expression) hclsyntax.Expression {
	switch e.(type) {
	case *hclsyntax.TupleConsExpr, *hclsyntax.ObjectConsExpr:
		m.below(e)
		return e
	}
	return m.expression(e)
}

// call puts a call of one of the meter's functions around an expression, at the same
// place.
func call(name string, e hclsyntax.Expression) hclsyntax.Expression {
	at := e.Range()
	return &hclsyntax.FunctionCallExpr{Name: name, Args: []hclsyntax.Expression{e}, NameRange: at, OpenParenRange: at, CloseParenRange: at}
}

// expression puts the meter into an expression, and around it where it makes a value.
func (m *meter) expression(e hclsyntax.Expression) hclsyntax.Expression {
	m.below(e)
	switch e := e.(type) {
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return e
		}
		return call(meterValue, e)
	case *hclsyntax.TupleConsExpr, *hclsyntax.ObjectConsExpr, *hclsyntax.ForExpr, *hclsyntax.SplatExpr, *hclsyntax.BinaryOpExpr,
		*hclsyntax.ConditionalExpr, *hclsyntax.TemplateJoinExpr:
		return call(meterValue, e)
	case *hclsyntax.LiteralValueExpr:
		if measure(e.Val, new(int64(mostValue))) != nil { // a number beyond its bounds
			return call(meterValue, e)
		}
	}
	return e
}

// literal tells whether an expression is a text or number as it stands.
func literal(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return e.IsStringLiteral()
	}
	return false
}

// below puts the meter into the parts of an expression.
func (m *meter) below(e hclsyntax.Expression) {
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		e.Expression = m.expression(e.Expression)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = m.expression(e.Source)
	case *hclsyntax.FunctionCallExpr:
		for i, a := range e.Args {
			if e.Args[i] = m.expression(a); !literal(a) {
				e.Args[i] = call(meterTuple, e.Args[i])
			}
		}
	case *hclsyntax.ConditionalExpr:
		e.Condition, e.TrueResult, e.FalseResult = m.expression(e.Condition), call(meterTuple, m.expression(e.TrueResult)), call(meterTuple, m.expression(e.FalseResult))
	case *hclsyntax.IndexExpr:
		e.Collection, e.Key = m.expression(e.Collection), m.expression(e.Key)
	case *hclsyntax.TupleConsExpr:
		for i, x := range e.Exprs {
			e.Exprs[i] = m.expression(x)
		}
	case *hclsyntax.ObjectConsExpr:
		for i, x := range e.Items {
			m.below(x.KeyExpr)
			e.Items[i].ValueExpr = m.expression(x.ValueExpr)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		e.Wrapped = m.expression(e.Wrapped)
	case *hclsyntax.ForExpr:
		e.CollExpr, e.ValExpr = m.expression(e.CollExpr), m.turn(e.ValExpr)
		if e.KeyExpr != nil {
			e.KeyExpr = m.turn(e.KeyExpr)
		}
		if e.CondExpr != nil {
			e.CondExpr = m.turn(e.CondExpr)
		}
	case *hclsyntax.SplatExpr:
		e.Source, e.Each = m.expression(e.Source), m.turn(e.Each)
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = m.expression(e.LHS), m.expression(e.RHS)
	case *hclsyntax.UnaryOpExpr:
		e.Val = m.expression(e.Val)
	case *hclsyntax.TemplateExpr:
		for i, p := range e.Parts {
			// A text that is only referred to is copied here.
			if _, literal := p.(*hclsyntax.LiteralValueExpr); !literal {
				e.Parts[i] = m.turn(p)
			}
		}
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = m.expression(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = m.expression(e.Tuple)
	}
}

// turn puts the meter into and around an expression whatever it is: it is evaluated at
// each turn of a loop, or its text is copied.
func (m *meter) turn(e hclsyntax.Expression) hclsyntax.Expression {
	m.below(e)
	return call(meterValue, e)
}

func sizeOf(texts []text) (n int) {
	for _, t := range texts {
		n += len(t.bytes)
	}
	return n
}

// tooMuch complains of texts before they are parsed: a syntax tree takes some fifty times
// the text, which is no matter with virtual servers, as those are read one by one.
func tooMuch(texts []text) hcl.Diagnostics {
	if sizeOf(texts) <= mostOther {
		return nil
	}
	other := 0
	for _, t := range texts {
		at := 0
		for _, part := range cut(t.bytes) {
			if !bytes.HasPrefix(part, []byte("virtual_server ")) {
				other += len(part)
			}
			if other > mostOther {
				start := hcl.Pos{Line: 1 + bytes.Count(t.bytes[:at], []byte("\n")), Column: 1, Byte: at}
				return hcl.Diagnostics{complain("Too much configuration", fmt.Sprintf("What is no virtual_server, or is indented so that it cannot be told from others, may have %d MiB in all.", mostOther>>20), hcl.Range{Filename: t.name, Start: start, End: start})}
			}
			at += len(part)
		}
	}
	return nil
}
