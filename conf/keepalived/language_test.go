package keepalived

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestComments: no comment is lost, whatever becomes of what it stands at.
func TestComments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		tr := &translator{}
		r := newReader("lb1", "", tr.warnAt)
		if err := r.file(f); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, l := range r.lines {
			if l.comment != "" {
				want = append(want, sign(l.comment))
			}
		}
		hcl, _, err := tr.finish(parse(r.lines, tr.warnAt))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range want {
			if !strings.Contains(string(hcl), c) {
				t.Errorf("%s: the comment %q is lost", f, c)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		ok       bool
	}{
		{`a b	c`, "a|b|c", true},
		{`notify "/bin/x 'a b'" root`, "notify|/bin/x 'a b'|root", true},
		{`script "b \"c\" \x41\102\n\cA \d \\d" 'd \x'`, "script|b \"c\" AB\n\x01 d \\d|d \\x", true},
		{`auth_pass "a\d" b\x41`, `auth_pass|a\d|b\x41`, true},
		{`regex ^a\\.b\d$`, `regex|^a\.bd$`, true},
		{`path /a"b c"d`, "path|/ab cd", true},
		{`group{ a }`, "group|{|a|}", true},
		{`x "{" ""`, "x|{|", true},
		{`x "open end`, "x|open end", false},
	} {
		tokens, ok := words(tc.in, escapes(tc.in))
		var got []string
		for _, w := range tokens {
			got = append(got, w.text)
		}
		if strings.Join(got, "|") != tc.want || ok != tc.ok {
			t.Errorf("%s: %q %t, not %q %t", tc.in, got, ok, tc.want, tc.ok)
		}
	}
}

func TestComment(t *testing.T) {
	for in, want := range map[string][2]string{
		`a # b`:            {`a `, `# b`},
		`! all`:            {``, `! all`},
		`a "# no" # yes`:   {`a "# no" `, `# yes`},
		`a '! no' ! yes  `: {`a '! no' `, `! yes`},
		`a "\" # no" # y`:  {`a "\" # no" `, `# y`},
		`a\#b`:             {`a\`, `#b`},
		`pass#word`:        {`pass`, `#word`},
		``:                 {``, ``},
	} {
		if body, comment := cutComment(in); body != want[0] || comment != want[1] {
			t.Errorf("%s: %q and %q, not %q", in, body, comment, want)
		}
	}
}

func TestSequence(t *testing.T) {
	for _, tc := range []struct {
		in   []string
		want []int
	}{
		{[]string{"3"}, []int{1, 2, 3}},
		{[]string{"-2"}, []int{-1, -2}},
		{[]string{"0x90", "0x10", "0xb0"}, []int{144, 160, 176}},
		{[]string{"2", "4"}, []int{2, 3, 4}},
		{[]string{"9", "7"}, []int{9, 8, 7}},
		{[]string{"0", "5", "12"}, []int{0, 5, 10}},
		{[]string{"6", "-2", "3"}, []int{6, 4}},
		{[]string{"1", "-1", "3"}, nil},
		{[]string{"1", "0", "3"}, nil},
		{[]string{"a"}, nil},
		{[]string{"1", "2", "3", "4"}, nil},
		{[]string{"1", "9999999"}, nil},
	} {
		got, problem := sequence(tc.in)
		if diff := cmp.Diff(tc.want, got); diff != "" || (problem == "") != (tc.want != nil) {
			t.Errorf("%v: %v %s", tc.in, got, problem)
		}
	}
}

// lines reads a text and gives its logical lines.
func lines(t *testing.T, id, text string) ([]string, error) {
	t.Helper()
	r := newReader(id, "", func(string, int, string, string) {})
	r.limit = 10_000
	err := r.text(text, filepath.Join(t.TempDir(), "keepalived.conf"))
	var all []string
	for _, l := range r.lines {
		all = append(all, l.text+l.comment)
	}
	return all, err
}

func TestLanguage(t *testing.T) {
	t.Setenv("USHER_TEST_NAME", "value")
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"condition", "@lb1 a\n@lb2 b\n@^lb1 c\n@^lb2 d # x\n@lb2 $V=1\n@lb1 $V=2\ne $V", []string{"a", "d# x", "e 2"}},
		{"tabs", "@lb1\ta\n@lb2\tb\n\tc\td", []string{"a", "c\td"}},
		{"condition on lines that go on", "@lb2 $V=a \\\n b\nc", []string{"c"}},
		{"variables", "$A=1\n$B=${A}2\nx $B ${A}$B ${UNKNOWN} $ $9", []string{"x 12 112 ${UNKNOWN} $ $9"}},
		{"only before a space or the end", "$A=1\nx $A.100 $A$A a$A|$A b/$A", []string{"x $A.100 $A1 a$A|1 b/1"}},
		{"no space before the equals sign", "$A =1\n$A", []string{"$A =1", "$A"}},
		{"conditions in a variable", "$M=@lb1\n$M a\n$N=@lb2\n$N b\n$BODY= \\\n @lb1 c \\\n @lb2 d \\\n @^lb2 $V=7 \\\n e\n$BODY\n$V", []string{"a", "c", "e", "7"}},
		{"use after definition", "x $A\n$A=1\nx $A", []string{"x $A", "x 1"}},
		{"several lines", "$A= \\\n one \\ # first\n two # second \\\n three\n$A", []string{"# first", "# second", "one", "two", "three"}},
		{"nested", "~SEQ(A,1,2) ~LST(B,x,y) z${A}$B", []string{"z1x", "z1y", "z2x", "z2y"}},
		{"several variables", "~LST({A,B},{1,\"x\"},{2}) ${A}-$B", []string{"1-x", "2-"}},
		{"hexadecimal", "~SEQx(A,9,11) $A", []string{"9", "a", "b"}},
		{"a variable comes back", "$A=old\n~SEQ(A,1,1) $A\n$A", []string{"1", "old"}},
		{"repetition in a variable", "$R=~SEQ(A,1,2) r$A\n$R", []string{"r1", "r2"}},
		{"a random number", "router_id ${_RANDOM 1 9}", []string{"router_id ${_RANDOM 1 9}"}},
		{"predefined", "${_HASH}${_BANG} ${_ENV USHER_TEST_NAME} ${_INSTANCE}", []string{"#! value ${_INSTANCE}"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := lines(t, "lb1", tc.text)
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestRandom: what is another at each start cannot be carried over, and is told.
func TestRandom(t *testing.T) {
	_, warnings := importText(t, "global_defs {\n router_id lb${_RANDOM 1 9}\n}\n")
	if len(warnings) != 1 || warnings[0].Line != 2 || !strings.Contains(warnings[0].Reason, "random") {
		t.Errorf("%v", warnings)
	}
}

// TestUnreadable: what cannot be expanded is an error with its place, and ends.
func TestUnreadable(t *testing.T) {
	for text, want := range map[string]string{
		"a\nincludem no-such-file":             ":2: includem",
		"include_check\ninclude nothing":       ":2: include",
		"include nothing":                      "",
		"~SEQ(A,1,2 x":                         ":1: ~SEQ(A,1,2 x: the parentheses are not closed",
		"~SEQ(A) x":                            "a variable and its values are needed",
		"~SEQ(A,1,0,2) x":                      "it never reaches its end",
		"$A=~SEQ(B,1,1) $A\n$A":                "nested too deep",
		"$E=\n~SEQ(A,1,9999)~SEQ(B,1,9999) $E": "too long",
		"$A=${A}${A}\n$A":                      "too long",
	} {
		_, err := lines(t, "x", text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
	if _, _, err := Import("no/such/keepalived.conf", Options{}); err == nil {
		t.Error("a missing file is no error")
	}
	loop := filepath.Join(t.TempDir(), "loop.conf")
	if err := os.WriteFile(loop, []byte("include loop.conf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Import(loop, Options{}); err == nil {
		t.Error("a file that includes itself is no error")
	}
}

// TestWarningsHaveAPlace: each names file, line and reason, and no secret.
func TestWarningsHaveAPlace(t *testing.T) {
	_, warnings, err := Import("testdata/vrrp.conf", Options{ID: "lb1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) < 20 {
		t.Fatalf("%d warnings only", len(warnings))
	}
	if !slices.IsSortedFunc(warnings, func(a, b Warning) int { return a.Line - b.Line }) {
		t.Error("not in the order of lines")
	}
	for _, w := range warnings {
		if w.File == "" || w.Line == 0 || w.Directive == "" || w.Reason == "" || strings.Contains(w.String(), "far too") {
			t.Errorf("%+v", w)
		}
	}
}
