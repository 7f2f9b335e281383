package conf

import (
	"bytes"
	"strings"
)

// nesting follows the brackets, quotations, templates and heredocs of a text by their
// bytes. It comes before HCL's own scanner, which takes quadratic time with deep
// templates; it is exact for texts that are HCL.
type nesting struct {
	text []byte
	at   int
	open []opened
}

// opened is what is open: a bracket or an interpolation by its first byte, '"', or '<'
// for a heredoc with the word that ends it.
type opened struct {
	by  byte
	end string
}

// deepest gives the place at which more than most are open at once; -1 for none.
func deepest(text []byte, most int) int {
	n := &nesting{text: text}
	for n.at < len(text) {
		n.step()
		if len(n.open) > most {
			return min(n.at, len(text)) - 1
		}
	}
	return -1
}

func (n *nesting) rest() []byte { return n.text[n.at:] }

func (n *nesting) starts(prefix string) bool { return bytes.HasPrefix(n.rest(), []byte(prefix)) }

func (n *nesting) push(by byte, end string) { n.open = append(n.open, opened{by, end}) }

func (n *nesting) pop() {
	if len(n.open) > 0 {
		n.open = n.open[:len(n.open)-1]
	}
}

// line goes to the end of the line, or past it.
func (n *nesting) line(past bool) {
	i := bytes.IndexByte(n.rest(), '\n')
	switch {
	case i < 0:
		n.at = len(n.text)
	case past:
		n.at += i + 1
	default:
		n.at += i
	}
}

func (n *nesting) step() {
	var in opened
	if len(n.open) > 0 {
		in = n.open[len(n.open)-1]
	}
	switch in.by {
	case '"', '<':
		n.literal(in)
	default:
		n.code()
	}
}

// literal is one step within a quotation or a heredoc.
func (n *nesting) literal(in opened) {
	switch b := n.text[n.at]; {
	case n.starts("$${") || n.starts("%%{"):
		n.at += 3
	case n.starts("${") || n.starts("%{"):
		n.push('{', "")
		n.at += 2
	case in.by == '"' && b == '\\':
		n.at += 2
	case in.by == '"' && (b == '"' || b == '\n'): // the latter is no HCL
		n.pop()
		n.at++
	case in.by == '<' && b == '\n':
		n.at++
		word, _, _ := strings.Cut(string(n.text[n.at:min(len(n.text), n.at+len(in.end)+256)]), "\n")
		if strings.TrimSpace(word) == in.end {
			n.pop()
			n.line(false)
		}
	default:
		n.at++
	}
}

// code is one step outside of quotations.
func (n *nesting) code() {
	switch b := n.text[n.at]; {
	case b == '#' || n.starts("//"):
		n.line(true)
	case n.starts("/*"):
		if i := bytes.Index(n.rest(), []byte("*/")); i >= 0 {
			n.at += i + 2
		} else {
			n.at = len(n.text)
		}
	case b == '"':
		n.push('"', "")
		n.at++
	case b == '(' || b == '[' || b == '{':
		n.push(b, "")
		n.at++
	case b == ')' || b == ']' || b == '}':
		n.pop()
		n.at++
	case n.starts("<<"):
		n.heredoc()
	default:
		n.at++
	}
}

// heredoc opens one, whose text begins with the next line.
func (n *nesting) heredoc() {
	start := n.at + 2
	n.line(false)
	if start > n.at {
		return
	}
	word := strings.TrimSpace(strings.TrimPrefix(string(n.text[start:n.at]), "-"))
	if word != "" && !strings.ContainsAny(word, " \t\"(){}[]") && len(word) <= 256 {
		n.push('<', word)
		return
	}
	n.at = start
}
