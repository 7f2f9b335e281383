package conf

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLoad reads 1,000 virtual servers of 10 real servers each.
func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	for v := range 1000 {
		fmt.Fprintf(&text, "virtual_server \"vs%d\" {\n  address = \"10.%d.%d.1:80\"\n  health_check \"tcp\" {}\n", v, v/250, v%250)
		for r := range 10 {
			fmt.Fprintf(&text, "  real_server \"172.%d.%d.%d:80\" { weight = %d }\n", 16+v/250, v%250, r+1, r+1)
		}
		text.WriteString("}\n")
	}
	for b.Loop() {
		s, diags := parse("bench.hcl", []byte(text.String()))
		if c, found := load([]*source{s}, nil, diags); c == nil {
			b.Fatal(found.Text(false))
		}
	}
}
