package conf

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"usher/healthcheck/files"
)

// functions are what an expression may call. Paths of file are relative to
// folder; read is told each file read, before it is and with its text.
func functions(m *meter, folder string, read func(path, text string)) map[string]function.Function {
	all := maps.Clone(map[string]function.Function{
		"credential": credentialFunc(m, read),
		"env":        envFunc(),
		"file":       fileFunc(m, folder, read),
		"hostname":   hostnameFunc(),
		"cidrhost":   cidrhostFunc(),
		"try":        tryfunc.TryFunc,
		"can":        tryfunc.CanFunc,
		"tostring":   convertFunc(cty.String),
		"tonumber":   convertFunc(cty.Number),
		"tobool":     convertFunc(cty.Bool),
		"tolist":     convertFunc(cty.List(cty.DynamicPseudoType)),
		"toset":      convertFunc(cty.Set(cty.DynamicPseudoType)),
		"tomap":      convertFunc(cty.Map(cty.DynamicPseudoType)),
	})
	maps.Copy(all, standard())
	for name, f := range all {
		if name != "try" && name != "can" { // these evaluate by themselves
			all[name] = m.function(name, f)
		}
	}
	maps.Copy(all, m.calls)
	return all
}

// standard is the useful part of HCL's standard library, under Terraform's names.
func standard() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,

		"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
		"join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"regexreplace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc,
		"strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,

		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
		"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setproduct": stdlib.SetProductFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
	}
}

// envFunc gives an environment variable, or its second argument where it is unset.
func envFunc() function.Function {
	return function.New(&function.Spec{
		Description: "env(name, default...): the environment variable; without a default, an unset one is an error.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam:    &function.Parameter{Name: "default", Type: cty.String},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if v, ok := os.LookupEnv(args[0].AsString()); ok {
				return cty.StringVal(v), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "the environment has no variable %s; give env a second argument as its default", args[0].AsString())
		},
	})
}

func fileFunc(m *meter, folder string, read func(path, text string)) function.Function {
	return function.New(&function.Spec{
		Description: "file(path): the text of a file; the path is relative to the file that names it.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := resolve(folder, args[0].AsString())
			read(path, "")
			text, err := files.Read(m.ctx, path, MaxSize)
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			read(path, string(text))
			return cty.StringVal(string(text)), nil
		},
	})
}

// credentialMost is how many bytes systemd lets a credential have (systemd.exec(5)).
const credentialMost = 1 << 20

// credentialFunc gives what the service manager has put ready for this service by
// LoadCredential= or SetCredential=.
func credentialFunc(m *meter, read func(path, text string)) function.Function {
	return function.New(&function.Spec{
		Description: "credential(name): the text of a credential of systemd, a file of $CREDENTIALS_DIRECTORY.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			none, name := cty.UnknownVal(cty.String), args[0].AsString()
			folder := os.Getenv("CREDENTIALS_DIRECTORY")
			switch {
			case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
				return none, function.NewArgErrorf(0, "%q is not the name of a credential", name)
			case folder == "":
				return none, function.NewArgErrorf(0, "there is no CREDENTIALS_DIRECTORY: give usher's unit LoadCredential=%s:PATH; outside of it, set CREDENTIALS_DIRECTORY=/run/credentials/usher.service", name)
			}
			path := filepath.Join(folder, name)
			read(path, "")
			text, err := files.Read(m.ctx, path, credentialMost)
			if err != nil {
				return none, function.NewArgError(0, err)
			}
			read(path, string(text))
			return cty.StringVal(string(text)), nil
		},
	})
}

// resolve makes a path absolute or relative to where usher runs, not to folder.
func resolve(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

func hostnameFunc() function.Function {
	return function.New(&function.Spec{
		Description: "hostname(): the host name.",
		Type:        function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			name, err := os.Hostname()
			return cty.StringVal(name), err
		},
	})
}

// cidrhostFunc counts from a network's first address, or back from its last for a
// negative number, as Terraform's function of this name.
func cidrhostFunc() function.Function {
	return function.New(&function.Spec{
		Description: "cidrhost(prefix, n): the n-th address of a network; from its end where n is negative.",
		Params:      []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "n", Type: cty.Number}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			none := cty.UnknownVal(cty.String)
			prefix, err := netip.ParsePrefix(args[0].AsString())
			if err != nil {
				return none, function.NewArgErrorf(0, "%q is not a network such as 192.0.2.0/24", args[0].AsString())
			}
			n, accuracy := args[1].AsBigFloat().Int64()
			if accuracy != 0 {
				return none, function.NewArgErrorf(1, "a whole number is required")
			}
			addr, err := host(prefix, n)
			if err != nil {
				return none, function.NewArgError(1, err)
			}
			return cty.StringVal(addr.String()), nil
		},
	})
}

// host is the n-th address of a network, from its end for n < 0.
func host(p netip.Prefix, n int64) (netip.Addr, error) {
	bytes := p.Masked().Addr().AsSlice()
	if n < 0 {
		for bit := p.Bits(); bit < len(bytes)*8; bit++ {
			bytes[bit/8] |= 0x80 >> (bit % 8)
		}
		n++ // -1 is the last address itself
	}
	for i := len(bytes) - 1; i >= 0 && n != 0; i-- {
		n += int64(bytes[i])
		bytes[i] = byte(n & 0xff)
		n >>= 8 // arithmetic: a borrow stays negative
	}
	addr, _ := netip.AddrFromSlice(bytes)
	if n != 0 || !p.Contains(addr) {
		return netip.Addr{}, fmt.Errorf("the network %s has no such address", p)
	}
	return addr, nil
}

func convertFunc(to cty.Type) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := convert.Convert(args[0], to)
			if err != nil {
				return cty.NilType, function.NewArgErrorf(0, "cannot convert: %s", err)
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			return convert.Convert(args[0], ret)
		},
	})
}
