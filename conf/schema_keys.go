package conf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SchemaKey is one key of one kind of block, for what has to see all of them: a test of
// each key cannot forget one that it is told of.
type SchemaKey struct {
	// Blocks lead to it from the outermost, as in "virtual_server", "health_check tcp":
	// where the keys of a block depend on its first label, that is given with it.
	Blocks []string
	Name   string
	// Values are some that the schema alone finds valid, as expressions of HCL; none for
	// texts and addresses, of which it knows nothing. Another key may forbid each of them.
	Values []string
	// Default is the value of a key that is not given, as an expression of HCL; "" for none.
	Default string
	Type    string // in the words of the reference: "string", "list of strings", "duration"
	Secret  bool   // holds nothing but a secret, or may
}

// String is the key as in "virtual_server health_check tcp.send".
func (k SchemaKey) String() string { return strings.Join(k.Blocks, " ") + "." + k.Name }

// SchemaKeys gives every key of the schema, in the order of the reference.
func SchemaKeys() (all []SchemaKey) {
	for _, b := range schema().blocks {
		all = b.walk(all, nil)
	}
	return all
}

func (b *block) walk(all []SchemaKey, above []string) []SchemaKey {
	if b.variants != nil {
		for _, v := range b.variants {
			all = v.walkAs(b.name+" "+v.labels[0], all, above)
		}
		return all
	}
	return b.walkAs(b.name, all, above)
}

func (b *block) walkAs(name string, all []SchemaKey, above []string) []SchemaKey {
	path := append(slices.Clip(above), name)
	for _, k := range b.keys {
		all = append(all, SchemaKey{Blocks: path, Name: k.name, Values: k.examples(), Default: k.literal(), Type: k.kind.String(), Secret: k.secret})
	}
	for _, c := range b.blocks {
		all = c.walk(all, path)
	}
	return all
}

// literal is the default as an expression of HCL; "" for none.
func (k key) literal() string {
	switch v := k.value.(type) {
	case string:
		return strconv.Quote(v)
	case time.Duration:
		return strconv.Quote(v.String())
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// examples are values of a key, those near its default first.
func (k key) examples() (all []string) {
	add := func(text string) {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	switch k.kind {
	case kindFlag:
		return []string{"true", "false"}
	case kindNumber:
		def, _ := k.value.(int)
		for _, n := range []int64{int64(def) + 1, int64(def) - 1, k.bounds.min, k.bounds.min + 1, k.bounds.max} {
			if k.bounds == (bounds{}) || n >= k.bounds.min && n <= k.bounds.max {
				add(strconv.FormatInt(n, 10))
			}
		}
	case kindFraction:
		return []string{"0.5", "0.25"}
	case kindDuration:
		def, _ := k.value.(time.Duration)
		for _, d := range []time.Duration{2 * def, def / 2, time.Second, 2 * time.Second, 100 * time.Millisecond, time.Minute} {
			if d > 0 && int64(d) >= k.bounds.min && int64(d) <= k.bounds.max && (k.step == 0 || d%k.step == 0) {
				add(strconv.Quote(shortDuration(d)))
			}
		}
	case kindText:
		for _, w := range k.oneOf {
			add(strconv.Quote(w))
		}
	case kindTexts:
		for _, w := range k.oneOf {
			add("[" + strconv.Quote(w) + "]")
		}
	}
	return all
}
