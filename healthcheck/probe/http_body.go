package probe

import (
	"crypto/md5"
	"crypto/sha256"
	"hash"

	"usher/healthcheck"
)

// The most of an answer's body that is read. Whatever does not end by itself is not
// read to the end of the timeout.
const (
	// answerMost is how much of an answer is looked at.
	answerMost = 1 << 20
	// digestMost is how long a body may be whose digest is compared.
	digestMost = 16 << 20
)

// httpBody takes in the body of an answer, as far as it matters.
type httpBody struct {
	Bytes []byte // the first answerMost of them, where they are looked at

	keep        bool
	length      int64     // of what has come
	md5, sha256 hash.Hash // of all of it; nil where not compared
}

// bodyFor is a body for what a check looks at, in space that may be there.
func bodyFor(h *healthcheck.HTTP, space []byte) httpBody {
	b := httpBody{Bytes: space[:0], keep: h.ReadsBody()}
	if h.ExpectBodyMD5 != "" {
		b.md5 = md5.New()
	}
	if h.ExpectBodySHA256 != "" {
		b.sha256 = sha256.New()
	}
	return b
}

// Write takes the next piece. It never fails.
func (b *httpBody) Write(piece []byte) (int, error) {
	b.length += int64(len(piece))
	if b.keep {
		b.Bytes = append(b.Bytes, piece[:min(len(piece), answerMost-len(b.Bytes))]...)
	}
	if b.md5 != nil {
		b.md5.Write(piece)
	}
	if b.sha256 != nil {
		b.sha256.Write(piece)
	}
	return len(piece), nil
}

// most is how much is read; what comes after it changes nothing any more.
func (b *httpBody) most() int64 {
	if b.md5 != nil || b.sha256 != nil {
		return digestMost
	}
	return answerMost
}

// enough says that no more need be read.
func (b *httpBody) enough() bool { return b.length > b.most() }

// cut says that there was more than is looked at.
func (b *httpBody) cut() bool { return b.length > answerMost }
