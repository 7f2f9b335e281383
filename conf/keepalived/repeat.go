package keepalived

import (
	"fmt"
	"strconv"
	"strings"
)

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
		n, err := strconv.ParseInt(f, 0, 32) // hexadecimal with 0x, too
		if err != nil {
			return nil, strconv.Quote(f) + " is not a number"
		}
		given = append(given, int(n))
	}
	start, step, end := 1, 1, given[len(given)-1]
	switch len(given) {
	case 1:
		if end < 0 {
			start = -1
		}
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
