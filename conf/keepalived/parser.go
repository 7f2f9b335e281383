package keepalived

import (
	"slices"
	"strconv"
	"strings"
)

// directive is one line of the language, with the block that follows it.
type directive struct {
	words  []string // the first is its name
	text   string   // the whole line
	block  bool
	body   []*directive
	file   string
	number int

	lead  []string // comments above it
	trail string   // comment behind it
	tail  []string // comments before the end of its block
}

func (d *directive) name() string { return d.words[0] }

// arg is the i-th word behind the name, "" where there are not so many.
func (d *directive) arg(i int) string {
	if i+1 < len(d.words) {
		return d.words[i+1]
	}
	return ""
}

// args are all words behind the name.
func (d *directive) args() []string { return d.words[1:] }

// items are the words of a block that is a list, such as group or
// notification_email.
func (d *directive) items() []string {
	all := append([]string{}, d.args()...)
	for _, c := range d.body {
		all = append(all, c.words...)
	}
	return all
}

// token is one word.
type token struct {
	text   string
	quoted bool
}

// parser builds the tree of directives.
type parser struct {
	root    *directive
	stack   []*directive
	pending []string // comments that wait for a directive
	warn    func(file string, number int, directive, reason string)
}

func parse(lines []line, warn func(string, int, string, string)) *directive {
	p := &parser{root: &directive{words: []string{""}, block: true}, warn: warn}
	p.stack = []*directive{p.root}
	for _, l := range lines {
		p.line(l)
	}
	for _, open := range p.stack[1:] {
		warn(open.file, open.number, open.name(), "the block is not closed; it is taken to end with the file")
	}
	top := p.stack[len(p.stack)-1]
	top.tail = append(top.tail, p.pending...)
	return p.root
}

func (p *parser) line(l line) {
	if l.text == "" {
		p.pending = append(p.pending, l.comment)
		return
	}
	tokens, ok := words(l.text, escapes(l.text))
	if !ok {
		p.warn(l.file, l.number, printable(l.text), "a quote is not closed; it is taken to end with the line")
	}
	var cur, last *directive
	for _, t := range tokens {
		top := p.stack[len(p.stack)-1]
		switch {
		case !t.quoted && t.text == "{":
			if cur == nil && len(top.body) > 0 && !top.body[len(top.body)-1].block {
				cur = top.body[len(top.body)-1] // the brace stands on a line of its own
			}
			if cur == nil || len(p.stack) > maxDepth {
				p.warn(l.file, l.number, "{", "a brace without a directive before it")
				continue
			}
			cur.block = true
			p.stack = append(p.stack, cur)
			last, cur = cur, nil
		case !t.quoted && t.text == "}":
			if len(p.stack) == 1 {
				p.warn(l.file, l.number, "}", "a brace that closes nothing")
				continue
			}
			top.tail = append(top.tail, p.pending...)
			p.pending = nil
			p.stack = p.stack[:len(p.stack)-1]
			cur, last = nil, top
		case cur == nil:
			cur = &directive{words: []string{t.text}, text: l.text, file: l.file, number: l.number, lead: p.pending}
			p.pending = nil
			top.body = append(top.body, cur)
			last = cur
		default:
			cur.words = append(cur.words, t.text)
		}
	}
	switch {
	case l.comment == "":
	case last != nil && last.trail == "":
		last.trail = l.comment
	default:
		p.pending = append(p.pending, l.comment)
	}
}

// escapes says whether backslashes escape on a line: where there is a command or an
// expression. Elsewhere keepalived takes them as they are.
func escapes(line string) bool {
	name, _ := cutWord(line)
	return slices.Contains([]string{"script", "misc_path", "regex", "process", "quorum_up", "quorum_down"}, name) ||
		strings.HasPrefix(name, "notify") || strings.HasSuffix(name, "_script")
}

// words splits a line. Quotes of either kind hold words together; with escapes,
// backslashes have a meaning outside single ones. ok is false where a quote is not
// closed.
func words(s string, escapes bool) (all []token, ok bool) {
	var b strings.Builder
	var quote byte
	started, quoted := false, false
	end := func() {
		if !started {
			return
		}
		text, _ := asUTF8([]byte(b.String())) // an escape can be any byte
		if name, found := strings.CutSuffix(text, "{"); found && !quoted && name != "" && !strings.ContainsAny(name, "${}") {
			all = append(all, token{text: name}, token{text: "{"})
		} else {
			all = append(all, token{text, quoted})
		}
		b.Reset()
		started, quoted = false, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			end()
		case quote == 0 && (c == '"' || c == '\''):
			quote, started, quoted = c, true, true
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && escapes && quote != '\'' && i+1 < len(s):
			text, used := escape(s[i+1:])
			b.WriteString(text)
			i += used
			started = true
		default:
			b.WriteByte(c)
			started = true
		}
	}
	end()
	return all, quote == 0
}

// escape reads what follows a backslash and says how long it is.
func escape(s string) (string, int) {
	letters := map[byte]string{'E': "\x1b", 'n': "\n", 't': "\t", 'r': "\r", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", 'e': "\x1b"}
	if text, ok := letters[s[0]]; ok {
		return text, 1
	}
	switch {
	case s[0] == 'x':
		if n, used := digits(s[1:], 16, 2); used > 0 {
			return string([]byte{byte(n)}), used + 1
		}
	case s[0] >= '0' && s[0] <= '7':
		n, used := digits(s, 8, 3)
		return string([]byte{byte(n)}), used
	case s[0] == 'c' && len(s) > 1:
		return string([]byte{s[1] & 0x1f}), 2
	}
	return s[:1], 1
}

// digits reads a number of at most so many digits.
func digits(s string, base, most int) (uint64, int) {
	n := 0
	for n < most && n < len(s) {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	v, _ := strconv.ParseUint(s[:n], base, 16)
	return v, n
}
