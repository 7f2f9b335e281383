package conf

import (
	"fmt"
	"strings"
)

// How many warnings of one kind are told of each for itself, and at how many places
// the others are named.
const (
	toldEach    = 3
	namedPlaces = 3
)

// Merged are the diagnostics for people: of many warnings of one kind, such as one for
// each of 50 services, the first alone, with the count and the first places of the
// others. Errors stay as they are: each is to be mended.
func (ds Diagnostics) Merged() Diagnostics {
	alike := map[string]Diagnostics{}
	for _, d := range ds {
		if d.Severity == SeverityWarning {
			alike[d.Summary] = append(alike[d.Summary], d)
		}
	}
	told := map[string]bool{}
	var all Diagnostics
	for _, d := range ds {
		others := alike[d.Summary]
		switch {
		case d.Severity != SeverityWarning || len(others) <= toldEach:
			all = append(all, d)
		case !told[d.Summary]:
			told[d.Summary] = true
			d.Detail = strings.TrimSpace(d.Detail + " " + others[1:].places())
			all = append(all, d)
		}
	}
	return all
}

// places counts diagnostics and names where the first of them are.
func (ds Diagnostics) places() string {
	var named []string
	for _, d := range ds {
		if d.Range != nil && len(named) < namedPlaces {
			named = append(named, fmt.Sprintf("%s line %d", d.Range.Filename, d.Range.Start.Line))
		}
	}
	if more := len(ds) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("The like in %d other places: %s.", len(ds), strings.Join(named, ", "))
}
