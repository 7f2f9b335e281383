package metrics

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"usher/healthcheck/redact"
)

// text writes Prometheus' text format, version 0.0.4. The library makes several
// objects of each sample, sorts and checks them; with ten thousand virtual servers
// that takes longer than a scrape may.
type text struct {
	out    *bufio.Writer
	name   string // of the family
	head   string // of the family, until it has a sample
	number []byte

	secrets *redact.Set
}

func newText(w io.Writer) *text { return &text{out: bufio.NewWriterSize(w, 64<<10)} }

// gauge and counter begin a family. Its samples must follow at once.
func (t *text) gauge(name, help string)   { t.family(name, help, "gauge") }
func (t *text) counter(name, help string) { t.family(name, help, "counter") }

func (t *text) family(name, help, kind string) {
	t.name = "usher_" + name
	t.head = "# HELP " + t.name + " " + help + "\n# TYPE " + t.name + " " + kind + "\n"
}

// sample writes one of the family's, with what labels gave. A writer that fails
// tells at the end.
func (t *text) sample(labels string, v float64) {
	t.out.WriteString(t.head)
	t.head = ""
	t.out.WriteString(t.name)
	t.out.WriteString(labels)
	t.number = append(strconv.AppendFloat(append(t.number[:0], ' '), v, 'g', -1, 64), '\n')
	t.out.Write(t.number)
}

// escapes are those of a label's value.
var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// labels writes labels; names and values alternate, names in their order.
func (t *text) labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(pairs[i])
		b.WriteString(`="`)
		b.WriteString(escapes.Replace(t.secrets.Text(pairs[i+1])))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
