package conf

import (
	"bytes"
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"usher/healthcheck/files"
)

// MaxSize is how many bytes a configuration file, or one that it reads, may have: some
// hundred thousand real servers.
const MaxSize = 64 << 20

// readFile reads a configuration file. Diagnostics say what keeps it from being one.
func readFile(ctx context.Context, name string) ([]byte, hcl.Diagnostics) {
	unreadable := func(why string) hcl.Diagnostics {
		return hcl.Diagnostics{placeless("Configuration cannot be read", why)}
	}
	text, err := files.Read(ctx, name, MaxSize)
	if err != nil {
		return nil, unreadable(err.Error())
	}
	if at := firstInvalid(text); at >= 0 {
		return nil, unreadable(fmt.Sprintf("%s is not UTF-8 text: byte %#02x in line %d; is it the right file?",
			name, text[at], 1+bytes.Count(text[:at], []byte("\n"))))
	}
	return text, nil
}

// firstInvalid is where the first byte stands that is no UTF-8; -1 for none.
func firstInvalid(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}
