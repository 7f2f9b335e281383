package keepalived

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// expand repeats a line as ~SEQ and ~LST say, replaces variables, and keeps the
// lines that come of it.
func (r *reader) expand(body, comment, path string, number, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("keepalived: %s:%d: variables and repetitions are nested too deep", path, number)
	}
	if r.steps++; r.steps > r.limit {
		return fmt.Errorf("keepalived: %s:%d: the configuration becomes too long", path, number)
	}
	if strings.HasPrefix(body, "~SEQ") || strings.HasPrefix(body, "~LST") {
		return r.repeat(body, comment, path, number, depth)
	}
	replaced := r.substitute(body, path)
	if len(replaced) > maxLine {
		return fmt.Errorf("keepalived: %s:%d: the line becomes too long", path, number)
	}
	for one := range strings.SplitSeq(replaced, "\n") {
		one = strings.TrimSpace(one)
		switch {
		case one == "":
			continue
		case one != body && (strings.HasPrefix(one, "~SEQ") || strings.HasPrefix(one, "~LST")):
			if err := r.repeat(one, comment, path, number, depth+1); err != nil {
				return err
			}
			continue
		}
		if m := definition.FindStringSubmatch(one); m != nil {
			r.vars[m[1]] = m[2]
			continue
		}
		if len(r.lines) > r.limit {
			return fmt.Errorf("keepalived: %s:%d: the configuration becomes too long", path, number)
		}
		r.lines = append(r.lines, line{text: one, comment: comment, file: path, number: number})
		comment = ""
	}
	return nil
}

// repeat expands one ~SEQ or ~LST at the start of a line.
func (r *reader) repeat(body, comment, path string, number, depth int) error {
	fail := func(problem string) error {
		return fmt.Errorf("keepalived: %s:%d: %s: %s", path, number, body, problem)
	}
	head, rest, ok := cutParentheses(body)
	if !ok {
		return fail("the parentheses are not closed")
	}
	name, args, _ := strings.Cut(head, "(")
	fields := splitArgs(r.substitute(args, path))
	if len(fields) < 2 {
		return fail("a variable and its values are needed")
	}
	var names []string
	var rounds [][]string
	if strings.HasPrefix(name, "~LST") {
		names = group(fields[0])
		for _, f := range fields[1:] {
			rounds = append(rounds, group(f))
		}
	} else {
		names = []string{fields[0]}
		numbers, problem := sequence(fields[1:])
		if problem != "" {
			return fail(problem)
		}
		format := "%d"
		if name == "~SEQx" {
			format = "%x"
		}
		for _, n := range numbers {
			rounds = append(rounds, []string{fmt.Sprintf(format, n)})
		}
	}
	saved := map[string]string{}
	for _, n := range names {
		if v, ok := r.vars[n]; ok {
			saved[n] = v
		}
	}
	for _, values := range rounds {
		for i, n := range names {
			r.vars[n] = ""
			if i < len(values) {
				r.vars[n] = values[i]
			}
		}
		if err := r.expand(strings.TrimSpace(rest), comment, path, number, depth+1); err != nil {
			return err
		}
		comment = ""
	}
	for _, n := range names {
		delete(r.vars, n)
		if v, ok := saved[n]; ok {
			r.vars[n] = v
		}
	}
	return nil
}

// sequence is what (end), (start, end) or (start, step, end) count.
func sequence(fields []string) (numbers []int, problem string) {
	var given []int
	for _, f := range fields {
		n, err := strconv.Atoi(f)
		if err != nil || n < -1<<31 || n > 1<<31 {
			return nil, strconv.Quote(f) + " is not a number"
		}
		given = append(given, n)
	}
	start, step, end := 1, 1, given[len(given)-1]
	switch len(given) {
	case 1:
	case 2, 3:
		start = given[0]
	default:
		return nil, "more than start, step and end are given"
	}
	if start > end {
		step = -1
	}
	if len(given) == 3 {
		step = given[1]
	}
	switch {
	case step == 0 || (end-start)*step < 0:
		return nil, "it never reaches its end"
	case (end-start)/step >= 65536:
		return nil, "it is longer than 65536"
	}
	for n := start; step > 0 && n <= end || step < 0 && n >= end; n += step {
		numbers = append(numbers, n)
	}
	return numbers, ""
}

// cutParentheses splits "name(args)rest" behind the parenthesis that closes the
// first one.
func cutParentheses(s string) (head, rest string, ok bool) {
	depth := 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], true
			}
			if depth < 0 {
				return "", "", false
			}
		}
	}
	return "", "", false
}

// splitArgs splits at commas outside braces and quotes.
func splitArgs(s string) []string {
	var all []string
	depth, start := 0, 0
	var quote rune
	for i, c := range s {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 0:
			all = append(all, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	return append(all, strings.TrimSpace(s[start:]))
}

// group is {a, b} as a list, or one value.
func group(s string) []string {
	inner, ok := strings.CutPrefix(s, "{")
	if !ok {
		return []string{strings.Trim(s, `"'`)}
	}
	var all []string
	for _, f := range splitArgs(strings.TrimSuffix(inner, "}")) {
		all = append(all, strings.Trim(f, `"'`))
	}
	return all
}

// substitute replaces $NAME and ${NAME}, again in what comes of it. What is not
// defined stays as it is.
func (r *reader) substitute(s, path string) string {
	for range maxDepth {
		next := r.once(s, path)
		if next == s || len(next) > maxLine {
			return next
		}
		s = next
	}
	return s
}

func (r *reader) once(s, path string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '$' {
			b.WriteByte(s[i])
			i++
			continue
		}
		name, length := variable(s[i:])
		if value, ok := r.value(name, path); length > 0 && ok {
			b.WriteString(value)
			i += length
			continue
		}
		b.WriteByte('$')
		i++
	}
	return b.String()
}

// variable is the name at the start of s, which begins with $, and how much of s
// it takes; 0 where there is none.
func variable(s string) (name string, length int) {
	if strings.HasPrefix(s, "${") {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "", 0
		}
		return s[2:end], end + 1
	}
	n := 1
	for n < len(s) && (s[n] == '_' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z' || n > 1 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == 1 {
		return "", 0
	}
	return s[1:n], n
}

// value is that of a variable, the predefined ones among them. Random numbers stay
// literal: they are another at each start.
func (r *reader) value(name, path string) (string, bool) {
	if v, ok := r.vars[name]; ok {
		return v, true
	}
	switch word, rest, _ := strings.Cut(name, " "); word {
	case "_PWD":
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return filepath.Dir(path), true
	case "_HASH":
		return "#", true
	case "_BANG":
		return "!", true
	case "_INSTANCE":
		return r.instance, r.instance != ""
	case "_ENV":
		v, ok := os.LookupEnv(strings.TrimSpace(rest))
		return v, ok
	}
	return "", false
}
