package conf

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// chain is locals a0 to aN, each made of the one before.
func chain(first, next string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "locals {\n  a0 = %s\n", first)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "  a%d = %s\n", i, strings.ReplaceAll(next, "@", fmt.Sprintf("local.a%d", i-1)))
	}
	b.WriteString("}\n")
	return b.String()
}

// fraction of what the expressions of a configuration may make, so that the test of many
// attacks is quick: what they cost is in proportion.
const fraction = mostMade / 16

// TestExpressionsWithoutBounds: whatever an expression would make, it is an error at its
// place before memory or time are gone.
func TestExpressionsWithoutBounds(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"device":           {`locals { a = file("/dev/zero") }`, "not a regular file"},
		"indent":           {`locals { a = indent(2000000000, "a\nb") }`, "The function indent: its result could take more than 64 MiB"},
		"indent by more":   {`locals { a = indent(1e300, "a\nb") }`, "The function indent:"},
		"setproduct":       {`locals { a = setproduct(range(1000), range(1000), range(1000)) }`, "The function setproduct:"},
		"join":             {chain(`"aaaaaaaaaaaaaaaa"`, `join(@, [for i in range(100) : @])`, 6), "bounds"},
		"templates":        {chain(`"aaaaaaaaaaaaaaaa"`, `"${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}${@}"`, 20), "MiB"},
		"shared lists":     {chain(`["x"]`, `[@, @]`, 60), "MiB"},
		"regexreplace":     {chain(`"aaaaaaaaaaaaaaaa"`, `regexreplace(@, "(a*)", "$1$1$1$1$1$1$1$1$1$1$1$1")`, 20), "The function regexreplace:"},
		"regexall":         {`locals { a = regexall("` + strings.Repeat("(", 80) + "x?" + strings.Repeat(")", 80) + `", join("", [for x in range(1000) : "` + strings.Repeat("x", 100) + `"])) }`, "The function regexall:"},
		"format's width":   {`locals { a = format("%1000000000d", 1) }`, "a width or precision may be 4096 at most"},
		"format's verbs":   {chain(`"aaaaaaaaaaaaaaaa"`, `format("%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s", @)`, 20), "The function format:"},
		"formatlist":       {chain(`["aaaaaaaaaaaaaaaa", "y"]`, `formatlist("%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s", @)`, 20), "The function formatlist:"},
		"literal":          {`locals { a = "${1e999999999}" }`, "A number must be between"},
		"literal argument": {"global {\n  router_id = 1e99999999\n}", "A number must be between"},
		"numbers":          {chain("10", "@ * @", 40), "A number must be between"},
		"tonumber":         {`locals { a = tonumber("1e999999999") }`, "a number must be between"},
		"jsondecode":       {`locals { a = jsondecode(join("", [for x in range(1000) : "` + strings.Repeat("[", 100) + `"])) }`, "nested more than 200 deep"},
		"JSON numbers":     {`locals { a = jsondecode("[1e999999999]") }`, "number"},
		"distinct":         {"locals {\n  l = flatten([for x in range(200) : range(x * 200, x * 200 + 200)])\n  a = distinct(local.l)\n}", "of 20000 elements"},
		"errors":           {`locals { a = [for x in range(1000) : [for y in range(1000) : [for z in range(1000) : z + "a"]]] }`, "number"},
		"caught":           {`locals { a = try([for x in range(1000) : [for y in range(1000) : [for z in range(1000) : z]]], "b") }`, "make more than 16 MiB"},
		"dynamic": {`dynamic "virtual_server" {
  for_each = range(1000)
  labels   = ["v${virtual_server.value}"]
  content {
    address = "192.0.2.1:80"
    dynamic "real_server" {
      for_each = range(1000)
      labels   = ["10.0.0.1:80"]
      content {}
    }
  }
}`, "MiB"},
		"text":     {"locals {\n  a = 1\n" + strings.Repeat("# nothing but text\n", 1<<19) + "}\n", "may have 8 MiB in all"},
		"argument": {"global {\n  router_id = join(\"\", [for x in setproduct(range(1000), range(1000)) : \"a\"])\n}", "The function setproduct:"},
	} {
		t.Run(name, func(t *testing.T) {
			most := int64(fraction)
			if name == "distinct" { // whose elements are many, not large
				most = 0
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, diags := (&Loader{how: loading{most: most}}).load([]text{{"usher.hcl", []byte(c.text)}}, nil, nil)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			text := diags.Text(false)
			if !diags.HasErrors() || !strings.Contains(text, c.want) {
				t.Errorf("it says %.2000s, want %q", text, c.want)
			}
			if len(diags) > 0 && diags[0].Range == nil {
				t.Errorf("no place: %s", text)
			}
			if made := after.TotalAlloc - before.TotalAlloc; made > 1<<30 {
				t.Errorf("%d MiB were made", made>>20)
			}
			t.Logf("%v, %d MiB: %.300s", took, (after.TotalAlloc-before.TotalAlloc)>>20, text)
		})
	}
}

// TestLargeConfiguration: what somebody may have is no attack.
func TestLargeConfiguration(t *testing.T) {
	c, diags := LoadText("usher.hcl", []byte(`
locals {
  names = { for n in setproduct(range(40), range(50)) : format("%d-%d", n...) => "10.${n[0]}.0.${n[1]}" }
  all   = [for k in sort(keys(local.names)) : local.names[k]]
}
virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  health_check "tcp" {}
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:80"]
    content { weight = real_server.key > 10 ? 2 : 1 }
  }
}
`), nil)
	if diags.HasErrors() {
		t.Fatal(diags.Text(false))
	}
	if n := len(c.VirtualServers[0].Real); n != 2000 {
		t.Errorf("%d servers", n)
	}
}

// TestNestedTooDeep: the parser and the evaluation have a stack, whose end would be the
// process's.
func TestNestedTooDeep(t *testing.T) {
	const n, brackets, templates = 20_000, 60_000, 100_000
	for name, text := range map[string]string{
		"brackets":     "a = " + strings.Repeat("[", brackets),
		"closed":       "a = " + strings.Repeat("[", brackets) + strings.Repeat("]", brackets),
		"parentheses":  "a = " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n),
		"objects":      "a = " + strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n),
		"templates":    "a = " + strings.Repeat(`"${`, templates),
		"directives":   `a = "` + strings.Repeat("%{if true}", n) + `"`,
		"heredocs":     "a = <<A\n" + strings.Repeat("%{if true}", n) + "\nA\n",
		"calls":        "a = " + strings.Repeat("abs(", n),
		"not":          "a = " + strings.Repeat("!", n) + "true",
		"minus":        "a = " + strings.Repeat("-", n) + "1",
		"sum":          "a = 1" + strings.Repeat("+1", n),
		"sum in lines": "a = (1" + strings.Repeat("\n+1", n) + ")",
		"conditions":   "a = " + strings.Repeat("true ? 1 : ", n) + "1",
		"indexes":      "a = b" + strings.Repeat("[0]", n),
		"splats":       "a = b" + strings.Repeat("[*]", n),
		"attributes":   "a = b" + strings.Repeat(".*.b", n),
		"blocks":       strings.Repeat("a {\n", n),
		"for":          "a = " + strings.Repeat("[for x in y : ", n),
		"locals":       "locals {\n  a = " + strings.Repeat("[", n) + "\n}",
	} {
		_, diags := LoadText("usher.hcl", []byte(text), nil)
		if len(diags) != 1 || diags[0].Summary != "Nested too deep" || diags[0].Range == nil {
			t.Errorf("%s: %.500s", name, diags.Text(false))
		}
		if _, diags := Format([]byte(text), "usher.hcl"); len(diags) != 1 || diags[0].Summary != "Nested too deep" || diags[0].Range == nil {
			t.Errorf("%s formatted: %.500s", name, diags.Text(false))
		}
	}
	_, diags := LoadText("usher.hcl", []byte("variable \"a\" { type = list(string) }"), map[string]string{"a": strings.Repeat("[", n)})
	if text := diags.Text(false); !strings.Contains(text, "200 deep") {
		t.Errorf("--var: %.500s", text)
	}
	// As deep as somebody may go.
	fine := "locals {\n  a = " + strings.Repeat("[", 150) + strings.Repeat("]", 150) + "\n  b = \"" + strings.Repeat("${1}", 1000) + "\"\n  c = [" + strings.Repeat("1,\n", 1000) + "]\n}\n" + strings.Repeat("locals {}\n", 1000)
	if _, diags := LoadText("usher.hcl", []byte(fine), nil); diags.HasErrors() {
		t.Errorf("it says %.2000s", diags.Text(false))
	}
}

// TestHangingFiles: a named pipe without a writer, wherever a file is read, and a
// context that has ended, are errors.
func TestHangingFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("locals { a = file(%q) }\n", pipe)
	for path, text := range map[string]string{
		pipe: "",
		filepath.Join(write(t, map[string]string{"a.hcl": text}), "a.hcl"):                                                                                        "",
		filepath.Join(write(t, map[string]string{"a.hcl": fmt.Sprintf("global {\n  webhook \"https://example.org/\" { secret_file = %q }\n}\n", pipe)}), "a.hcl"): "",
	} {
		if _, diags := Load([]string{path}, nil); !strings.Contains(diags.Text(false), "it is a named pipe, not a regular file") {
			t.Errorf("%s: %s %s", path, diags.Text(false), text)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir = write(t, map[string]string{"a.hcl": "locals { a = 1 }\n"})
	if _, diags := new(Loader).LoadContext(ctx, []string{dir}, nil); !diags.HasErrors() {
		t.Error("it loads though its time is over")
	}
	if _, diags := (&Loader{how: loading{ctx: ctx}}).load(texts([]byte("locals { a = [for x in range(10) : x] }\n")), nil, nil); !strings.Contains(diags.Text(false), "cannot be evaluated in time") {
		t.Errorf("it says %s", diags.Text(false))
	}
}
