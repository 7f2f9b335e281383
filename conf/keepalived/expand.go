package keepalived

import (
	"fmt"
	"os"
	"path/filepath"
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
		if strings.HasPrefix(one, "@") { // in a variable; those of the file itself are decided
			if kept, rest := r.condition(one); kept {
				one = rest
			} else {
				one = ""
			}
		}
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
		if strings.Contains(one, "${_RANDOM") {
			word, _ := cutWord(one)
			r.warn(path, number, word, "${_RANDOM} stays as it is: usher has no random values in its configuration")
		}
		if len(r.lines) > r.limit {
			return fmt.Errorf("keepalived: %s:%d: the configuration becomes too long", path, number)
		}
		r.lines = append(r.lines, line{text: one, comment: comment, file: path, number: number})
		comment = ""
	}
	return nil
}

// substitute replaces ${NAME}, and $NAME before a space or the end of the line, again
// in what comes of it. What is not defined stays as it is. It stops where the outcome has
// more than maxLine bytes, or soon after.
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
	for i := 0; i < len(s) && b.Len() <= maxLine; {
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
	if n == 1 || n < len(s) && !strings.ContainsRune(" \t\n", rune(s[n])) {
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
