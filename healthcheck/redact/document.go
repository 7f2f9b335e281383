package redact

import (
	"encoding/json"
	"strings"
)

// JSON is a JSON document, or a part of one, with Hidden in the place of secrets in its
// strings. Names of fields, numbers and the document's form stay as they are.
func (s *Set) JSON(document []byte) []byte {
	if s == nil {
		return document
	}
	text := string(document)
	var out []byte
	done := 0
	for at := 0; ; {
		start := strings.IndexByte(text[at:], '"')
		if start < 0 {
			break
		}
		start += at + 1
		n := closing(text[start:])
		if n < 0 {
			break
		}
		at = start + n + 1
		if at < len(text) && text[at] == ':' { // the name of a field
			continue
		}
		if shown := s.literal(text[start : start+n]); shown != text[start:start+n] {
			out = append(append(out, text[done:start]...), shown...)
			done = start + n
		}
	}
	if done == 0 {
		return document
	}
	return append(out, text[done:]...)
}

// closing is where a string ends that has begun; -1 where it does not.
func closing(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// literal is Text of a string as JSON has it, without its quotes.
func (s *Set) literal(inner string) string {
	if !strings.Contains(inner, `\`) {
		return s.Text(inner) // what is put in has nothing to escape
	}
	var value string
	if err := json.Unmarshal([]byte(`"`+inner+`"`), &value); err != nil {
		return s.Text(inner)
	}
	shown := s.Text(value)
	if shown == value {
		return inner
	}
	quoted, err := json.Marshal(shown)
	if err != nil {
		return s.Text(inner)
	}
	return string(quoted[1 : len(quoted)-1])
}
