package conf_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/conf"
	"usher/conf/conftest"
)

var update = flag.Bool("update-fields", false, "rewrite testdata/fields.txt")

const fieldsFile = "testdata/fields.txt"

// TestFields: every key is read into its field, in its unit, and into no other. The table
// in testdata/fields.txt says which, with the value before, mostly the default, and after;
// a key that is not in it fails. What it says is to be read once, by whoever adds a key.
func TestFields(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	used := map[string]bool{}
	for _, c := range conftest.Changes(t, once, conftest.Active) {
		key, _, _ := strings.Cut(c.Key, " = ")
		fmt.Fprintf(&got, "%s = %s\n", key, c.Value)
		found := differences(c.Before[conftest.Active], c.After[conftest.Active])
		if len(found) == 0 {
			t.Errorf("%s = %s changes no field", c.Key, c.Value)
		}
		for _, d := range found {
			fmt.Fprintf(&got, "    %s\n", d)
		}
		digests(t, c, used)
	}
	allUsed(t, used)
	if *update {
		if err := os.WriteFile(fieldsFile, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(fieldsFile)
	if err != nil {
		t.Fatal(err)
	}
	want, have := paragraphs(string(text)), paragraphs(got.String())
	for key, fields := range have {
		if said, ok := want[key]; !ok {
			t.Errorf("%s is not in %s: read what it fills, and run go test ./conf -run TestFields -update-fields\n%s", key, fieldsFile, fields)
		} else if said != fields {
			t.Errorf("%s fills\n%snot, as %s has it,\n%s", key, fields, fieldsFile, said)
		}
	}
	for key := range want {
		if _, ok := have[key]; !ok {
			t.Errorf("%s is in %s, and is no key any more", key, fieldsFile)
		}
	}
}

// once leaves out the health checks of servers, whose builder is that of the virtual
// server's checks: TestInheritance has what differs.
func once(blocks []string) bool {
	return len(blocks) < 3 || !strings.HasPrefix(blocks[2], "health_check")
}

// paragraphs are the lines below each line that is not indented.
func paragraphs(text string) map[string]string {
	all := map[string]string{}
	key := ""
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, " ") {
			key = strings.TrimSpace(line)
			all[key] = ""
			continue
		}
		all[key] += line
	}
	return all
}

// TestDefaults: to give a key its default is to leave it out.
func TestDefaults(t *testing.T) {
	t.Parallel()
	all := conftest.Defaults(t, once)
	if len(all) < 100 {
		t.Fatalf("%d keys have a default", len(all))
	}
	for _, c := range all {
		if before, after := c.Before[conftest.Active].Parts(nil), c.After[conftest.Active].Parts(nil); !maps.Equal(before, after) {
			t.Errorf("%s = %s, its default, changes a digest: %v, before %v", c.Key, c.Value, after, before)
		}
		for _, d := range differences(c.Before[conftest.Active], c.After[conftest.Active]) {
			t.Errorf("%s = %s, its default, is not what leaving it out is: %s", c.Key, c.Value, d)
		}
	}
}

// folder is the one that the test's files are in.
var folder = regexp.MustCompile(`/[^ "\]]*/Test(?:Fields|Defaults)[^/]*/[0-9]+/`)

// differences are the fields that differ, as "Instances[].Priority: 100 -> 120". Elements
// of a list are not told apart: what the servers of a pool inherit is one field.
func differences(before, after *conf.Config) (all []string) {
	var compare func(path string, a, b reflect.Value)
	tell := func(path, a, b string) {
		d := folder.ReplaceAllString(fmt.Sprintf("%s: %s -> %s", path, a, b), "")
		if !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	compare = func(path string, a, b reflect.Value) {
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			return
		}
		_, leaf := a.Interface().(fmt.Stringer)
		switch {
		case leaf:
		case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
			compare(path, a.Elem(), b.Elem())
			return
		case a.Kind() == reflect.Struct:
			for i := range a.NumField() {
				f := a.Type().Field(i)
				switch {
				case !f.IsExported(), path == "" && f.Name == "Files":
				case f.Anonymous:
					compare(path, a.Field(i), b.Field(i))
				default:
					compare(strings.TrimPrefix(path+"."+f.Name, "."), a.Field(i), b.Field(i))
				}
			}
			return
		case a.Kind() == reflect.Slice && a.Len() == b.Len() && a.Type().Elem().Kind() == reflect.Struct:
			for i := range a.Len() {
				compare(path+"[]", a.Index(i), b.Index(i))
			}
			return
		}
		tell(path, shown(a), shown(b))
	}
	compare("", reflect.ValueOf(*before), reflect.ValueOf(*after))
	return all
}

// shown is a value in a line.
func shown(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		if _, ok := v.Interface().(fmt.Stringer); !ok {
			return shown(v.Elem())
		}
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	if v.Kind() == reflect.String {
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprintf("%+v", v.Interface())
}
