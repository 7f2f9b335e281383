package probe

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
)

// textMost is the longest line that a server of a text protocol may send.
const textMost = 8 << 10

// textConn speaks a protocol of lines.
type textConn struct {
	net.Conn
	in *bufio.Reader
}

func newTextConn(conn net.Conn) *textConn {
	return &textConn{Conn: conn, in: bufio.NewReaderSize(conn, textMost)}
}

// line reads one, without its end.
func (t *textConn) line() (string, error) {
	b, err := t.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", judge("a line of the answer is longer than %d bytes", textMost)
	case errors.Is(err, io.EOF) && len(b) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// say sends a line.
func (t *textConn) say(line string) error {
	_, err := io.WriteString(t.Conn, line+"\r\n")
	return err
}
