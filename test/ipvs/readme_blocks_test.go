package ipvs

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// block is one fenced block of the README with the comment above it that says what
// the test does with it; readers of the rendered page do not see that:
//
//	<!-- file NAME -->            written into the folder of every machine
//	<!-- run MACHINE -->          typed there; "exit N" and "with FILE" may follow
//	<!-- daemon MACHINE -->       started there, and goes on
//	<!-- await; run MACHINE -->   typed when the pair is at work
//	<!-- valid MACHINE -->        a configuration, which is valid there; "in BLOCK" may follow
//	<!-- elsewhere -->            another test runs it
type block struct {
	line int
	verb string // file, run, daemon, valid, elsewhere
	noun string // file or machine
	in   string // a block that the text is a part of
	with string // a file of the checkout to have there
	exit int
	wait bool
	text string
}

var mark = regexp.MustCompile(`^<!-- (await; )?(file|run|daemon|valid|elsewhere)(?: (\S+?))?(?: in (\S+?))?(?: with (\S+))?(?:; exit (\d+))? -->$`)

// blocks reads a Markdown file. A block without a mark is an error: nothing in the
// documentation goes untested.
func blocks(t *testing.T, path string) []block {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var next, open *block
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case open != nil && line == "```":
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			if next == nil {
				t.Fatalf("%s:%d: a block that no comment tells how to test", path, i+1)
			}
			open, next = next, nil
		case strings.HasPrefix(line, "<!--"):
			m := mark.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("%s:%d: not understood: %s", path, i+1, line)
			}
			next = &block{line: i + 1, wait: m[1] != "", verb: m[2], noun: m[3], in: m[4], with: m[5]}
			fmt.Sscan(m[6], &next.exit) // left at 0 where not given
		case strings.TrimSpace(line) != "":
			next = nil
		}
	}
	return all
}
