package conf

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// mostDepth is how deep brackets, templates and the operators of one expression may be
// nested: parsers and evaluation go down as deep, and the end of the stack is the end of
// the process.
const mostDepth = 200

// level is one bracket, quotation or template that is open.
type level struct {
	open   hclsyntax.TokenType
	chain  int  // operators, and brackets behind brackets, in the present element
	closed bool // the last token closed a bracket, to which another may be put
}

// depth walks the tokens of a text and counts what parsers recurse into.
type depth struct {
	levels     []level
	directives int // %{ if } and %{ for } that have no end yet
}

// tooDeep is the complaint of a text that is nested too deep, nil for others. It needs
// no stack itself.
func tooDeep(text []byte, name string) *hcl.Diagnostic {
	if !suspect(text) {
		return nil
	}
	tell := func(at hcl.Range) *hcl.Diagnostic {
		return complain("Nested too deep", fmt.Sprintf("Brackets, templates and the operators of one expression may be nested %d deep, not more.", mostDepth), at)
	}
	if at := deepest(text, mostDepth); at >= 0 {
		begun := bytes.LastIndexByte(text[:at], '\n') + 1
		start := hcl.Pos{Line: 1 + bytes.Count(text[:at], []byte("\n")), Column: 1 + utf8.RuneCount(text[begun:at]), Byte: at}
		end := start
		end.Byte, end.Column = at+1, start.Column+1
		return tell(hcl.Range{Filename: name, Start: start, End: end})
	}
	tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos) // the parser tells of these errors
	d := &depth{levels: []level{{}}}
	for i, t := range tokens {
		d.token(tokens, i)
		if deepest := d.levels[len(d.levels)-1].chain; len(d.levels) > mostDepth || d.directives > mostDepth || deepest > mostDepth {
			return tell(t.Range)
		}
	}
	return nil
}

// suspect tells whether a text can be nested too deep at all; most are not, and are not
// looked at twice.
func suspect(text []byte) bool {
	n := 0
	for _, b := range text {
		switch b {
		case '(', '[', '{', '!', '-', '+', '*', '/', '%', '?', '<', '>', '=', '&', '|', '.':
			if n++; n > mostDepth {
				return true
			}
		}
	}
	return false
}

func (d *depth) token(tokens hclsyntax.Tokens, i int) {
	top := &d.levels[len(d.levels)-1]
	switch t := tokens[i].Type; t {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl,
		hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		if top.closed && top.open != hclsyntax.TokenOQuote && top.open != hclsyntax.TokenOHeredoc {
			top.chain++
		}
		if t == hclsyntax.TokenTemplateControl && i+1 < len(tokens) {
			d.directive(string(tokens[i+1].Bytes))
		}
		d.levels = append(d.levels, level{open: t})
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
		if len(d.levels) > 1 {
			d.levels = d.levels[:len(d.levels)-1]
		}
		d.levels[len(d.levels)-1].closed = true
	case hclsyntax.TokenComma:
		top.chain, top.closed = 0, false
	case hclsyntax.TokenNewline:
		// Within brackets and parentheses an expression goes on in the next line.
		if top.open != hclsyntax.TokenOBrack && top.open != hclsyntax.TokenOParen && top.open != hclsyntax.TokenTemplateInterp {
			top.chain, top.closed = 0, false
		}
	case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent,
		hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenQuestion, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenDot:
		top.chain++
		top.closed = false
	case hclsyntax.TokenIdent:
		top.closed = true // to which brackets may be put
	}
}

// directive counts the ones of a template that hold others: %{ if }, %{ for } and their
// ends.
func (d *depth) directive(word string) {
	switch word {
	case "if", "for":
		d.directives++
	case "endif", "endfor":
		d.directives--
	}
}
