package conf

import (
	"fmt"
	"strings"
	"testing"
)

// large is that many virtual servers of 10 real servers each; the first one has
// the weight given.
func large(services, weight int) []byte {
	var text strings.Builder
	for v := range services {
		fmt.Fprintf(&text, "virtual_server \"vs%d\" {\n  address = \"10.%d.%d.1:80\"\n  forward_method = \"nat\"\n  health_check \"tcp\" {}\n", v, v/250, v%250)
		for r := range 10 {
			fmt.Fprintf(&text, "  real_server \"172.%d.%d.%d:80\" { weight = %d }\n", 16+v/250, v%250, r+1, weight)
			weight = 1
		}
		text.WriteString("}\n")
	}
	return []byte(text.String())
}

// BenchmarkLoad reads a configuration for the first time.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			text := large(n, 1)
			for b.Loop() {
				if c, found := LoadText("bench.hcl", text, nil); c == nil {
					b.Fatal(found.Text(false))
				}
			}
		})
	}
}

// largeOwn is the same with the check of each server written at it.
func largeOwn(services, weight int) []byte {
	var text strings.Builder
	for v := range services {
		fmt.Fprintf(&text, "virtual_server \"vs%d\" {\n  address = \"10.%d.%d.1:80\"\n  forward_method = \"nat\"\n  initial = \"up\"\n", v, v/250, v%250)
		for r := range 10 {
			address := fmt.Sprintf("172.%d.%d.%d", 16+v/250, v%250, r+1)
			fmt.Fprintf(&text, "  real_server \"%s:80\" {\n    weight = %d\n    health_check \"tcp\" {\n      address = \"%s\"\n      port = 80\n      interval = \"60s\"\n    }\n  }\n", address, weight, address)
			weight = 1
		}
		text.WriteString("}\n")
	}
	return []byte(text.String())
}

// BenchmarkLoadOwn reads one whose servers have checks of their own, first anew and then
// with one weight changed.
func BenchmarkLoadOwn(b *testing.B) {
	b.Run("first", func(b *testing.B) {
		text := largeOwn(1000, 1)
		for b.Loop() {
			if c, found := LoadText("bench.hcl", text, nil); c == nil {
				b.Fatal(found.Text(false))
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		l, weight := &Loader{}, 0
		for b.Loop() {
			b.StopTimer()
			weight++
			text := largeOwn(1000, weight)
			b.StartTimer()
			if c, found := l.load(texts(text), nil, nil); c == nil {
				b.Fatal(found.Text(false))
			}
		}
	})
}

// BenchmarkLoadThorough reads one that something is to be said about.
func BenchmarkLoadThorough(b *testing.B) {
	text := large(1000, 1)
	for b.Loop() {
		if c, _ := thorough(texts(text), nil, nil, loading{}); c == nil {
			b.Fatal("bad")
		}
	}
}

// BenchmarkLoadAgain reads one with one weight changed.
func BenchmarkLoadAgain(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			l := &Loader{}
			weight := 0
			for b.Loop() {
				b.StopTimer()
				weight++
				text := large(n, weight)
				b.StartTimer()
				if c, found := l.load(texts(text), nil, nil); c == nil {
					b.Fatal(found.Text(false))
				}
			}
		})
	}
}

func texts(b []byte) []text { return []text{{"bench.hcl", b}} }

// BenchmarkLoadVia reads one whose servers are probed through their services.
func BenchmarkLoadVia(b *testing.B) {
	text := largeVia(10000, 1)
	for b.Loop() {
		if c, found := LoadText("bench.hcl", text, nil); c == nil {
			b.Fatal(found.Text(false))
		}
	}
}
