package probe

import (
	"bytes"
	"strconv"
)

// httpAnswer reads an HTTP/1 response as it comes in, in pieces of any size
// (RFC 9112). It keeps the body only where it is looked at.
type httpAnswer struct {
	head bool // the answer to HEAD has no body
	keep bool // the body is looked at

	Status   int
	Location string
	Body     []byte
	Cut      bool // the body was longer than answerMost

	state   httpState
	line    []byte // unfinished
	lines   int    // before and after the body, those of interim answers too
	length  int64  // of the body or chunk that is still to come; -1 until the end
	chunked bool
}

type httpState uint8

const (
	inStatus httpState = iota
	inHeader
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
	complete
)

// lineMost is the longest line, and headersMost the most lines before and after the
// body, that a server may send.
const (
	lineMost    = 16 << 10
	headersMost = 1000
)

// feed takes a piece; at the connection's end it is empty. It says whether the
// answer is complete, or what is wrong with it.
func (a *httpAnswer) feed(b []byte, end bool) (bool, error) {
	for len(b) > 0 && a.state != complete {
		var err error
		switch a.state {
		case inBody, inChunk:
			b = a.take(b)
		default:
			b, err = a.byLine(b)
		}
		if err != nil {
			return false, err
		}
	}
	switch {
	case a.state == complete:
		return true, nil
	case !end:
		return false, nil
	case a.state == inBody && a.length < 0:
		a.state = complete
		return true, nil
	case a.state == inStatus && len(a.line) == 0:
		return false, judge("the server closed the connection without an answer")
	case a.state == inStatus || a.state == inHeader:
		return false, judge("the server closed the connection in the middle of the headers")
	}
	return false, judge("the server closed the connection in the middle of the body")
}

// take is a piece of the body.
func (a *httpAnswer) take(b []byte) []byte {
	piece := b
	if a.length >= 0 && int64(len(piece)) > a.length {
		piece = piece[:a.length]
	}
	if a.keep {
		room := answerMost - len(a.Body)
		a.Cut = a.Cut || len(piece) > room
		a.Body = append(a.Body, piece[:min(len(piece), room)]...)
	}
	if a.length >= 0 {
		if a.length -= int64(len(piece)); a.length == 0 {
			if a.state == inChunk {
				a.state = inChunkEnd
			} else {
				a.state = complete
			}
		}
	}
	return b[len(piece):]
}

// byLine takes one line, or what there is of it.
func (a *httpAnswer) byLine(b []byte) ([]byte, error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		a.line = append(a.line, b...)
		if len(a.line) > lineMost {
			return nil, judge("a header line of the answer is longer than %d bytes", lineMost)
		}
		return nil, nil
	}
	line := b[:i]
	if len(a.line) > 0 {
		a.line = append(a.line, line...)
		line = a.line
	}
	if len(line) > lineMost {
		return nil, judge("a header line of the answer is longer than %d bytes", lineMost)
	}
	err := a.take1(bytes.TrimSuffix(line, []byte("\r")))
	a.line = a.line[:0]
	return b[i+1:], err
}

func (a *httpAnswer) take1(line []byte) error {
	if a.state == inStatus || a.state == inHeader || a.state == inTrailer {
		if a.lines++; a.lines > headersMost {
			return judge("the answer has more than %d lines before and after its body", headersMost)
		}
	}
	switch a.state {
	case inStatus:
		return a.status(line)
	case inHeader:
		if len(line) == 0 {
			a.headersEnd()
			return nil
		}
		return a.header(line)
	case inChunkSize:
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 62)
		if err != nil {
			return judge("the body's chunk size %s is not a number", quote(line))
		}
		a.length, a.state = int64(n), inChunk
		if n == 0 {
			a.state = inTrailer
		}
	case inChunkEnd:
		if len(line) != 0 {
			return judge("the body's chunk does not end where it says")
		}
		a.state = inChunkSize
	case inTrailer:
		if len(line) == 0 {
			a.state = complete
		}
	}
	return nil
}

// status is the first line: "HTTP/1.1 200 OK" (RFC 9112 section 4).
func (a *httpAnswer) status(line []byte) error {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.Atoi(string(code))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || err != nil || n < 100 || n > 999 || len(code) != 3 {
		return judge("the answer is not HTTP/1: it begins with %s", quote(line))
	}
	a.Status, a.length, a.chunked, a.state = n, -1, false, inHeader
	return nil
}

func (a *httpAnswer) header(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return judge("the header line %s has no colon", quote(line))
	}
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.ParseUint(string(value), 10, 62)
		if err != nil {
			return judge("Content-Length %s is not a number", quote(value))
		}
		a.length = int64(n)
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		a.chunked = a.chunked || bytes.EqualFold(value, []byte("chunked"))
	case bytes.EqualFold(name, []byte("Location")):
		a.Location = string(value)
	}
	return nil
}

// headersEnd decides what body follows (RFC 9112 section 6.3).
func (a *httpAnswer) headersEnd() {
	switch {
	case a.Status >= 100 && a.Status < 200 && a.Status != 101:
		a.state = inStatus // an interim answer
	case a.head, a.Status == 204, a.Status == 304, a.Status == 101:
		a.state = complete
	case a.chunked:
		a.state = inChunkSize
	case a.length == 0:
		a.state = complete
	default:
		a.state = inBody
	}
}
