package command

import (
	"os"
)

// output keeps the beginning and the end of what is read.
type output struct {
	head, tail []byte
	read       int
}

func (o *output) write(b []byte) {
	o.read += len(b)
	if room := headSize - len(o.head); room > 0 {
		o.head = append(o.head, b[:min(room, len(b))]...)
	}
	o.tail = append(o.tail, b...)
	if n := len(o.tail) - tailSize; n > 0 {
		o.tail = append(o.tail[:0], o.tail[n:]...)
	}
}

// drain reads a pipe to its end, to the limit, or until somebody closes it. A program
// that goes on past the limit is ended by SIGPIPE, as by head(1): reading on would cost a
// processor for as long as it runs.
func (o *output) drain(pipe *os.File) {
	defer pipe.Close()
	buf := make([]byte, 4096)
	for o.read < outputLimit {
		n, err := pipe.Read(buf)
		o.write(buf[:n])
		if err != nil {
			return // io.EOF, or closed by whoever waits no longer
		}
	}
}
