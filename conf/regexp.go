package conf

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is used first: all that is
// only of use where something is wrong would be a tenth of a start.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
