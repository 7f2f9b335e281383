package conf

import (
	"fmt"
	"math"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// mostDistinct is how many elements the function distinct takes: it compares each with
// each.
const mostDistinct = 10_000

// mostDigits is how many digits parseint takes, and the largest width or precision of
// format.
const mostDigits = 4096

// bound is an upper bound of what a function's result can take; an error where that is
// endless. It must not be much larger than what sane arguments give, and it costs no
// more than to read them.
func bound(name string, args []cty.Value) (int64, error) {
	switch name {
	case "length", "element", "lookup", "contains", "index", "coalesce", "coalescelist", "keys", "values", "range", "file", "credential", "env", "hostname", "cidrhost", "slice":
		return 0, nil // no more than a part of what there is, or bounded by themselves
	}
	in := int64(0)
	for _, a := range args {
		n, err := size(a)
		if err != nil {
			return 0, err
		}
		in += n
	}
	switch name {
	case "indent":
		return product(textLen(args, 0)+int64(strings.Count(str(args, 1), "\n"))+1, 1) + product(number(args, 0), int64(strings.Count(str(args, 1), "\n"))), nil
	case "join":
		n := in
		for _, list := range args[min(1, len(args)):] {
			n += product(int64(length(list)), textLen(args, 0))
		}
		return n, nil
	case "replace":
		return in + product(textLen(args, 0)+1, textLen(args, 2)), nil
	case "regexreplace":
		dollars := int64(strings.Count(str(args, 2), "$"))
		return in + product(textLen(args, 0)+1, textLen(args, 2)) + product(dollars, textLen(args, 0)), nil
	case "regexall":
		return product(textLen(args, 1)+1, valueCost*(2+int64(strings.Count(str(args, 0), "(")))) + product(in, 2), nil
	case "split":
		return in + product(textLen(args, 1)+1, valueCost), nil
	case "setproduct":
		n := int64(1)
		for _, set := range args {
			n = product(n, int64(length(set)))
		}
		return product(n, valueCost*int64(1+len(args))), nil
	case "format", "formatlist":
		return formatted(name, args, in)
	case "jsondecode":
		s := str(args, 0)
		if deep := jsonDepth(s); deep > mostDepth {
			return 0, &tooLargeError{fmt.Sprintf("the JSON is nested more than %d deep", mostDepth)}
		}
		return in + product(2+int64(strings.Count(s, ",")+strings.Count(s, ":")+strings.Count(s, "[")+strings.Count(s, "{")), valueCost), nil
	case "csvdecode":
		s := str(args, 0)
		return product(in, 2) + product(2+int64(strings.Count(s, ",")+strings.Count(s, "\n")), 2*valueCost), nil
	case "jsonencode":
		return product(in, 6), nil
	case "distinct":
		if n := length(arg(args, 0)); n > mostDistinct {
			return 0, &tooLargeError{fmt.Sprintf("it takes %d elements, not %d", mostDistinct, n)}
		}
	case "parseint":
		if n := textLen(args, 0); n > mostDigits {
			return 0, &tooLargeError{fmt.Sprintf("it takes %d digits, not %d", mostDigits, n)}
		}
	case "tonumber":
		if n := textLen(args, 0); n > mostDigits {
			return 0, &tooLargeError{fmt.Sprintf("it takes %d digits, not %d", mostDigits, n)}
		}
	}
	return product(in, 4), nil
}

// formatted bounds what format makes: every verb can write the largest argument, and a
// width or precision that many characters more.
func formatted(name string, args []cty.Value, in int64) (int64, error) {
	s := str(args, 0)
	widths, n := int64(0), int64(0)
	for _, b := range []byte(s + " ") {
		if b >= '0' && b <= '9' {
			if n = 10*n + int64(b-'0'); n > mostDigits {
				return 0, &tooLargeError{fmt.Sprintf("a width or precision may be %d at most", mostDigits)}
			}
			continue
		}
		widths, n = widths+n, 0
	}
	verbs := int64(strings.Count(s, "%"))
	rows := int64(1)
	if name == "formatlist" {
		for _, a := range args[min(1, len(args)):] {
			rows = max(rows, int64(length(a)))
		}
	}
	largest := int64(0)
	for _, a := range args[min(1, len(args)):] {
		one := a
		if name == "formatlist" && length(a) > 0 {
			one = cty.NilVal
			for it := a.ElementIterator(); it.Next(); {
				_, e := it.Element()
				each, err := size(e)
				if err != nil {
					return 0, err
				}
				largest = max(largest, each)
			}
		}
		if one != cty.NilVal {
			each, err := size(one)
			if err != nil {
				return 0, err
			}
			largest = max(largest, each)
		}
	}
	return in + product(rows, valueCost+int64(len(s))+product(verbs, 6*largest+mostExponent)+4*widths), nil
}

// product multiplies without an overflow.
func product(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/4/a {
		return math.MaxInt64 / 4
	}
	return a * b
}

// arg is an argument without its marks; cty.NilVal where there is none that is known.
func arg(args []cty.Value, i int) cty.Value {
	if i >= len(args) {
		return cty.NilVal
	}
	v, _ := args[i].Unmark()
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal
	}
	return v
}

func str(args []cty.Value, i int) string {
	if v := arg(args, i); v != cty.NilVal && v.Type() == cty.String {
		return v.AsString()
	}
	return ""
}

// textLen is how long an argument's text is.
func textLen(args []cty.Value, i int) int64 { return int64(len(str(args, i))) }

// number is an argument's number, a very large one where it is larger.
func number(args []cty.Value, i int) int64 {
	v := arg(args, i)
	if v == cty.NilVal || v.Type() != cty.Number {
		return 0
	}
	n, _ := v.AsBigFloat().Int64() // the nearest
	return max(0, min(n, math.MaxInt64/4))
}

// length is how many elements a value has.
func length(v cty.Value) int {
	if v == cty.NilVal {
		return 0
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
		return 0
	}
	return v.LengthInt()
}

// jsonDepth is how deep a JSON text is nested at most, brackets within strings counted
// as well.
func jsonDepth(s string) int {
	deepest, depth := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return deepest
}
