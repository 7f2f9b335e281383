package vrrpproc

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"usher/vrrp"
)

// maxFrame bounds a frame: some thousand instances with all their addresses.
const maxFrame = 64 << 20

// message is one frame, in either direction. Exactly one of the pointers is set,
// or one of the words true; Secrets come with Apply.
type message struct {
	ID uint64 `json:"id,omitempty"` // of a request that wants a reply, and of that reply

	// To the child.
	Apply       *vrrp.Desired `json:"apply,omitempty"`
	Secrets     []string      `json:"secrets,omitempty"` // that the child's log does not show
	Track       *trackResult  `json:"track,omitempty"`
	Witness     *witnessed    `json:"witness,omitempty"`
	Failover    *string       `json:"failover,omitempty"`
	Maintenance *bool         `json:"maintenance,omitempty"`
	Stay        bool          `json:"stay,omitempty"`
	Status      bool          `json:"status,omitempty"`
	Stop        bool          `json:"stop,omitempty"`

	// From the child.
	Event *vrrp.Event `json:"event,omitempty"`
	Reply *reply      `json:"reply,omitempty"`
}

// trackResult is the present say of one track of one instance.
type trackResult struct {
	Instance   string          `json:"instance"`
	Key        string          `json:"key"`
	Adjustment vrrp.Adjustment `json:"adjustment"`
}

// witnessed is the second opinion of one instance.
type witnessed struct {
	Instance  string `json:"instance"`
	Reachable bool   `json:"reachable"`
}

// reply answers one request.
type reply struct {
	Error  string        `json:"error,omitempty"`
	Status []vrrp.Status `json:"status,omitempty"`
}

// writeMessage writes one frame: its length in four bytes, most significant
// first, and JSON.
func writeMessage(w io.Writer, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return fmt.Errorf("vrrp process: frame of %d bytes, more than %d", len(body), maxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// readMessage reads one frame. Its error is io.EOF at the end between two frames.
func readMessage(r *bufio.Reader) (message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return message{}, fmt.Errorf("vrrp process: frame of %d bytes, more than %d", n, maxFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return message{}, fmt.Errorf("vrrp process: cut frame: %w", err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return message{}, fmt.Errorf("vrrp process: bad frame: %w", err)
	}
	return m, nil
}
