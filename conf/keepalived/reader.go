package keepalived

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"usher/conf"
	"usher/healthcheck/files"
)

// Bounds that no sane configuration reaches, so that a hostile one ends.
const (
	maxIncludes = 1000         // files, and what a pattern gives
	maxNested   = 32           // files that include one another
	maxSize     = conf.MaxSize // bytes of all files
	maxLines    = 1_000_000
	maxLine     = 1 << 16
	maxDepth    = 64
)

// line is one logical line: conditions decided, variables replaced.
type line struct {
	text    string // without comment
	comment string // with its sign
	file    string
	number  int
}

// reader turns files into logical lines.
type reader struct {
	id       string
	vars     map[string]string
	instance string
	includes int
	nested   int      // how deep in includes
	size     int      // bytes read so far
	most     int      // of them
	steps    int      // lines expanded so far
	limit    int      // of them
	others   []string // ids of conditions, none of which has been this one's so far
	first    line     // the first of them
	met      bool     // one has been
	strict   bool     // include_check: a missing include is an error
	lines    []line
	warn     func(file string, number int, directive, reason string)
}

func newReader(id, instance string, warn func(string, int, string, string)) *reader {
	return &reader{id: id, instance: instance, vars: map[string]string{}, limit: maxLines, most: maxSize, warn: warn}
}

// definition is $NAME=value, with nothing before the equals sign.
var definition = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)=\s*(.*)$`)

// file reads one file and what it includes.
func (r *reader) file(path string) error {
	text, err := r.load(path)
	if err != nil {
		return fmt.Errorf("keepalived: %w", err)
	}
	return r.text(text, path)
}

// tooMuchError says that a bound was passed: there is no going on without that file.
type tooMuchError string

func (e tooMuchError) Error() string { return string(e) }

// load gives the text of one file, which has to be a regular one of a bounded size.
func (r *reader) load(path string) (string, error) {
	if r.includes++; r.includes > maxIncludes {
		return "", tooMuchError(fmt.Sprintf("%s: more than %d files are included", path, maxIncludes))
	}
	text, err := files.Soon(path, maxSize)
	if err != nil {
		return "", err
	}
	if r.size += len(text); r.size > r.most {
		return "", tooMuchError(fmt.Sprintf("%s: all files have more than %d bytes", path, r.most))
	}
	if at := bytes.IndexByte(text, 0); at >= 0 {
		return "", fmt.Errorf("%s is not a text file: there is a zero byte in line %d", path, 1+bytes.Count(text[:at], []byte("\n")))
	}
	unmarked, at := asUTF8(bytes.TrimPrefix(text, []byte("\ufeff")))
	if at >= 0 {
		r.warn(path, 1+strings.Count(unmarked[:at], "\n"), "text", "not UTF-8; its bytes are taken for ISO 8859-1 (Latin-1)")
	}
	return unmarked, nil
}

// text reads the lines of one file.
func (r *reader) text(text, path string) error {
	physical := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(physical); i++ {
		number := i + 1
		body, comment := cutComment(physical[i])
		body = strings.TrimSpace(body)
		if len(body) > maxLine {
			return fmt.Errorf("keepalived: %s:%d: the line has more than %d bytes", path, number, maxLine)
		}
		kept := true
		if strings.HasPrefix(body, "@") {
			r.heed(body, path, number)
			kept, body = r.condition(body)
		}
		if m := definition.FindStringSubmatch(body); m != nil {
			value, comments, used, err := r.definition(m[2], comment, physical[i:])
			if err != nil {
				return fmt.Errorf("keepalived: %s:%d: the definition of $%s %w", path, number, m[1], err)
			}
			i += used
			if kept {
				r.vars[m[1]] = value
				for n, c := range comments {
					r.note(c, path, number+n)
				}
			}
			continue
		}
		if !kept {
			continue
		}
		if body == "" {
			r.note(comment, path, number)
			continue
		}
		word, rest := cutWord(body)
		if word == "include_check" {
			r.strict = true // whichever failures it names: an import wants to read everything
			r.note(comment, path, number)
			continue
		}
		if isInclude(word) {
			r.note(comment, path, number)
			if err := r.include(word, rest, path, number); err != nil {
				return err
			}
			continue
		}
		if err := r.expand(body, comment, path, number, 0); err != nil {
			return err
		}
	}
	return nil
}

// definition is the value of a variable, which goes on in further lines while they end
// in a backslash, be it before or behind a comment; how many further lines it took,
// and the comment of each.
func (r *reader) definition(value, comment string, physical []string) (whole string, comments []string, used int, err error) {
	goesOn := func(body, raw string) bool {
		return strings.HasSuffix(body, `\`) || strings.HasSuffix(strings.TrimSpace(raw), `\`)
	}
	comments = []string{strings.TrimRight(strings.TrimSuffix(comment, `\`), " \t")}
	more := goesOn(value, physical[0])
	whole = strings.TrimSpace(strings.TrimSuffix(value, `\`))
	for more && used+1 < len(physical) {
		used++
		body, comment := cutComment(physical[used])
		body = strings.TrimSpace(body)
		more = goesOn(body, physical[used])
		whole += "\n" + strings.TrimSpace(strings.TrimSuffix(body, `\`))
		comments = append(comments, strings.TrimRight(strings.TrimSuffix(comment, `\`), " \t"))
		if len(whole) > maxLine {
			return "", nil, 0, errors.New("is too long")
		}
	}
	return strings.TrimPrefix(whole, "\n"), comments, used, nil
}

// note keeps a comment that stands alone.
func (r *reader) note(comment, path string, number int) {
	if comment != "" {
		r.lines = append(r.lines, line{comment: comment, file: path, number: number})
	}
}

// heed remembers which ids conditions ask for.
func (r *reader) heed(body, path string, number int) {
	id, _ := cutWord(body[1:])
	id, negated := strings.CutPrefix(id, "^")
	switch {
	case id == r.id:
		r.met = true
	case !negated && !slices.Contains(r.others, id):
		if len(r.others) == 0 {
			r.first = line{text: "@" + id, file: path, number: number}
		}
		r.others = append(r.others, id)
	}
}

// strange warns where every condition is for somebody else.
func (r *reader) strange() {
	if len(r.others) > 0 && !r.met {
		r.warn(r.first.file, r.first.number, r.first.text, fmt.Sprintf("no condition is for the config-id %q, so all their lines are left out; --id gives another, of %s", r.id, strings.Join(r.others, ", ")))
	}
}

// condition decides a line that starts with @id or @^id.
func (r *reader) condition(body string) (kept bool, rest string) {
	id, rest := cutWord(body[1:])
	id, negated := strings.CutPrefix(id, "^")
	return (id == r.id) != negated, rest
}

// cutWord separates the first word.
func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// cutComment separates what follows # or ! outside quotes.
func cutComment(s string) (body, comment string) {
	var quote rune
	escaped := false
	for i, c := range s {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = quote == '"'
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' || c == '!':
			return s[:i], strings.TrimRight(s[i:], " \t")
		}
	}
	return s, ""
}

// isInclude knows include and its variants, which say what failures are errors:
// r not readable, m nothing matches, w and b no match for a pattern, a all.
func isInclude(word string) bool {
	return slices.Contains([]string{"include", "includer", "includem", "includew", "includeb", "includea"}, word)
}

func (r *reader) include(word, pattern, path string, number int) error {
	pattern = strings.Trim(r.substitute(pattern, path), `"'`)
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(path), pattern)
	}
	at := func(err error) error { return fmt.Errorf("keepalived: %s:%d: %s: %w", path, number, word, err) }
	if r.nested >= maxNested {
		return at(tooMuchError(fmt.Sprintf("more than %d files include one another", maxNested)))
	}
	r.nested++
	defer func() { r.nested-- }()
	var found []string
	patterns := braces(pattern)
	if len(patterns) > maxIncludes {
		return at(tooMuchError(fmt.Sprintf("the pattern stands for more than %d files", maxIncludes)))
	}
	for _, p := range patterns {
		match, err := filepath.Glob(p)
		if err != nil {
			return fmt.Errorf("keepalived: %s:%d: %s: %w", path, number, pattern, err)
		}
		found = append(found, match...)
	}
	if len(found) == 0 {
		if r.strict || word != "include" {
			return fmt.Errorf("keepalived: %s:%d: %s %s: no file matches", path, number, word, pattern)
		}
		r.warn(path, number, word, fmt.Sprintf("no file matches %s, which keepalived passes over in silence", pattern))
		return nil
	}
	for _, f := range found {
		if folder(f) {
			r.warn(path, number, word, f+" is not a file")
			continue
		}
		text, err := r.load(f)
		if err != nil {
			err = at(err)
		} else if err = r.text(text, f); err == nil {
			continue
		}
		if r.strict || word != "include" || errors.As(err, new(tooMuchError)) {
			return err
		}
		r.warn(path, number, word, strings.TrimPrefix(err.Error(), at(errors.New("")).Error()))
	}
	return nil
}

// folder says whether a path is one, as far as its file system answers.
func folder(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), files.Patience)
	defer cancel()
	info, err := files.Stat(ctx, path)
	return err == nil && info.IsDir()
}

// braces expands {a,b} in a pattern, which Go's globs do not know, into a few more than
// maxIncludes at most.
func braces(pattern string) []string {
	open := strings.Index(pattern, "{")
	if open < 0 || strings.Count(pattern, "{") > 8 {
		return []string{pattern}
	}
	inner, rest, ok := strings.Cut(pattern[open+1:], "}")
	if !ok {
		return []string{pattern}
	}
	var all []string
	for choice := range strings.SplitSeq(inner, ",") {
		if all = append(all, braces(pattern[:open]+choice+rest)...); len(all) > maxIncludes {
			break
		}
	}
	return all
}
