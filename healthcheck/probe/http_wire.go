package probe

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"usher/healthcheck"
)

// answer is what a server answered, in whatever version of HTTP.
type answer struct {
	Status   int
	Location string
	body     httpBody
}

// httpAnswer reads an HTTP/1 response as it comes in, in pieces of any size
// (RFC 9112), as far as it matters to the check.
type httpAnswer struct {
	answer
	h *healthcheck.HTTP // the request's

	state   httpState
	line    []byte // unfinished
	field   []byte // a header line that matters, and that may go on in the next
	lines   int    // before and after the body, those of interim answers too
	length  int64  // of the body or chunk that is still to come; -1 until the end
	chunked bool
}

// reset makes it ready for the answer to a request, in the space that it has.
func (a *httpAnswer) reset(h *healthcheck.HTTP) {
	*a = httpAnswer{h: h, line: a.line[:0], field: a.field[:0], answer: answer{body: bodyFor(h, a.body.Bytes)}}
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
	a.body.Write(piece)
	if a.length >= 0 {
		if a.length -= int64(len(piece)); a.length == 0 {
			if a.state == inChunk {
				a.state = inChunkEnd
			} else {
				a.state = complete
			}
		}
	}
	if a.body.enough() {
		a.state = complete
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
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			a.fold(line)
			return nil
		}
		if err := a.header(); err != nil {
			return err
		}
		if len(line) == 0 {
			a.headersEnd()
			return nil
		}
		return a.hold(line)
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
	a.Status, a.Location, a.length, a.chunked, a.state = n, "", -1, false, inHeader
	return nil
}

// hold keeps a header line that matters until it is known to be whole.
func (a *httpAnswer) hold(line []byte) error {
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return judge("the header line %s has no colon", quote(line))
	}
	for _, matters := range []string{"Content-Length", "Transfer-Encoding", "Location"} {
		if len(name) == len(matters) && strings.EqualFold(string(name), matters) {
			a.field = append(a.field, line...)
		}
	}
	return nil
}

// fold takes a line that goes on with the one before it; what it begins with counts as
// one space (RFC 9112 section 5.2).
func (a *httpAnswer) fold(line []byte) {
	if len(a.field) > 0 && len(a.field) <= lineMost {
		a.field = append(append(a.field, ' '), bytes.TrimLeft(line, " \t")...)
	}
}

// header takes the line that was held.
func (a *httpAnswer) header() error {
	if len(a.field) == 0 {
		return nil
	}
	name, value, _ := bytes.Cut(a.field, []byte(":"))
	value = bytes.TrimSpace(value)
	var err error
	switch name[0] | 0x20 {
	case 'c':
		err = a.contentLength(value)
	case 't': // the last coding says where the body ends (RFC 9112 section 6.3)
		a.chunked = bytes.EqualFold(bytes.TrimSpace(value[bytes.LastIndexByte(value, ',')+1:]), []byte("chunked"))
	case 'l':
		a.Location = string(value)
	}
	a.field = a.field[:0]
	return err
}

// contentLength reads one or more lengths, which must be the same (RFC 9112 section 6.3).
func (a *httpAnswer) contentLength(value []byte) error {
	for one := range bytes.SplitSeq(value, []byte(",")) {
		n, err := strconv.ParseUint(string(bytes.TrimSpace(one)), 10, 62)
		if err != nil {
			return judge("Content-Length %s is not a number", quote(value))
		}
		if a.length >= 0 && a.length != int64(n) {
			return judge("the answer has two lengths, %d and %d", a.length, n)
		}
		a.length = int64(n)
	}
	return nil
}

// headersEnd decides what body follows (RFC 9112 section 6.3).
func (a *httpAnswer) headersEnd() {
	switch {
	case a.Status >= 100 && a.Status < 200 && a.Status != 101:
		a.state = inStatus // an interim answer
	case a.h.Method == http.MethodHead, !wantsBody(a.h, a.Status), a.Status == 204, a.Status == 304, a.Status == 101:
		a.state = complete
	case a.chunked:
		a.state = inChunkSize
	case a.length == 0:
		a.state = complete
	default:
		a.state = inBody
	}
}
