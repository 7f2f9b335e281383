package conf

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// largeVia is what large gives, with probes through the services.
func largeVia(services, weight int) []byte {
	return bytes.ReplaceAll(large(services, weight), []byte(`"tcp" {}`), []byte(`"tcp" { via = "service" }`))
}

// marksOf are the marks of all servers, each of which its probes have, too.
func marksOf(t *testing.T, c *Config) map[string]uint32 {
	t.Helper()
	marks := map[string]uint32{}
	for _, v := range c.VirtualServers {
		for i, r := range v.Real {
			if r.ProbeMark == 0 {
				continue
			}
			marks[v.Name+" "+r.Address.String()] = r.ProbeMark
			if target := v.Targets[i]; target.ID.RealServer != r.Address || target.Checks[0].Via.Mark != r.ProbeMark {
				t.Fatalf("%s %s is probed with the mark %#x of %s, not %#x", v.Name, r.Address, target.Checks[0].Via.Mark, target.ID.RealServer, r.ProbeMark)
			}
		}
	}
	return marks
}

// TestMarks: so many servers that some prefer one mark have one each, and the same ones
// over reloads, in whatever order and by whichever way they are read.
func TestMarks(t *testing.T) {
	const services = 1000
	blocks := cut(largeVia(services, 1))
	loader := &Loader{}
	load := func(text []byte) *Config {
		t.Helper()
		c, known := quick(texts(text), nil, loader.known, loading{})
		if c == nil {
			t.Fatal("the quick way was not enough")
		}
		loader.known = known
		return c
	}
	first := load(bytes.Join(blocks, nil))
	marks := marksOf(t, first)
	owner := map[uint32]string{}
	moved := 0
	for _, v := range first.VirtualServers {
		for _, r := range v.Real {
			name := v.Name + " " + r.Address.String()
			if other, taken := owner[r.ProbeMark]; taken {
				t.Errorf("%s has the mark of %s", name, other)
			}
			owner[r.ProbeMark] = name
			if r.ProbeMark != preferredMark(v.Name, r.Address) {
				moved++
			}
		}
	}
	if len(marks) != services*10 || moved == 0 {
		t.Fatalf("%d servers, %d of them without the mark that they prefer", len(marks), moved)
	}
	if diff := cmp.Diff(marks, marksOf(t, load(bytes.Join(blocks, nil)))); diff != "" {
		t.Errorf("loaded again: %s", diff)
	}
	slices.Reverse(blocks)
	if diff := cmp.Diff(marks, marksOf(t, load(bytes.Join(blocks, nil)))); diff != "" {
		t.Errorf("in another order: %s", diff)
	}
	if diff := cmp.Diff(marks, marksOf(t, first)); diff != "" {
		t.Errorf("the first configuration became another: %s", diff)
	}
	slices.Reverse(blocks)
	whole, found := thorough(texts(bytes.Join(blocks, nil)), nil, nil, loading{})
	if whole == nil {
		t.Fatal(found.Text(false))
	}
	if diff := cmp.Diff(first, whole, plain); diff != "" {
		t.Errorf("the thorough way: %s", diff)
	}
}

// TestMarkOfAService: a service that has the mark that a server prefers keeps it.
func TestMarkOfAService(t *testing.T) {
	text := largeVia(1, 1)
	c, _ := LoadText("usher.hcl", text, nil)
	mark := c.VirtualServers[0].Real[3].ProbeMark
	text = fmt.Appendf(text, "virtual_server \"mark\" {\n  fwmark = %d\n  family = \"ipv4\"\n  forward_method = \"nat\"\n  real_server \"10.0.0.1\" {}\n}\n", mark)
	c, found := LoadText("usher.hcl", text, nil)
	if c == nil {
		t.Fatal(found.Text(false))
	}
	if got := marksOf(t, c)["vs0 "+c.VirtualServers[0].Real[3].Address.String()]; got != mark+1 {
		t.Errorf("%#x, not the one after %#x", got, mark)
	}
}
