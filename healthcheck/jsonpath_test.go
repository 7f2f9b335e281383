package healthcheck

import (
	"slices"
	"testing"
)

func TestParseJSONPath(t *testing.T) {
	name := func(s string) JSONStep { return JSONStep{Name: s, Index: -1} }
	at := func(i int) JSONStep { return JSONStep{Index: i} }
	for path, want := range map[string][]JSONStep{
		"a":                     {name("a")},
		"status.db[0].name":     {name("status"), name("db"), at(0), name("name")},
		"[2][1]":                {at(2), at(1)},
		`a["b.c"]["d]"][0].e`:   {name("a"), name("b.c"), name("d]"), at(0), name("e")},
		`[""]`:                  {name("")},
		`["say \"hi\" \u00e4"]`: {name(`say "hi" ä`)},
		"1":                     {name("1")},
	} {
		if got, err := ParseJSONPath(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, want)
		}
	}
	for _, path := range []string{"", ".", ".a", "a.", "a..b", "a[", "a[x]", "a[-1]", "a[]", "a]", "a]b", "a[0]b", "a[0", `["a`, `["a"`, `["a"x]`, "a.[0]", "a[99999999999]"} {
		if got, err := ParseJSONPath(path); err == nil {
			t.Errorf("%s: %+v, want an error", path, got)
		}
	}
}
