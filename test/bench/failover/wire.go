package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
)

// kind is what a frame on the client's wire is.
type kind int

const (
	advert kind = iota
	resignation
	garp
	answer // a SYN-ACK from the VIP
)

// sighting is one frame with the kernel's time stamp.
type sighting struct {
	kind kind
	from [6]byte
	at   time.Time
}

// wire records what the client's interface receives.
type wire struct {
	macA, macB [6]byte
	fd         int
	done       chan struct{}

	mu   sync.Mutex
	seen []sighting
}

func listen(l *lab.Lab) (*wire, error) {
	w := &wire{done: make(chan struct{}), fd: -1}
	for _, d := range []struct {
		n   *lab.Node
		mac *[6]byte
	}{{l.A, &w.macA}, {l.B, &w.macB}} {
		err := d.n.Do(func() error {
			i, err := net.InterfaceByName("eth0")
			if err == nil {
				copy(d.mac[:], i.HardwareAddr)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	err := l.Client.Do(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(bigEndian(unix.ETH_P_ALL)))
		if err != nil {
			return err
		}
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
			return err
		}
		// The goroutine below looks now and then whether it is to end.
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100000}); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: i.Index})
	})
	if err != nil {
		return nil, fmt.Errorf("listen on the client's wire: %w", err)
	}
	go w.record()
	return w, nil
}

func bigEndian(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

func (w *wire) close() error {
	if w.fd < 0 {
		return nil
	}
	close(w.done)
	return nil
}

// record runs until close.
func (w *wire) record() {
	defer unix.Close(w.fd)
	buf, oob := make([]byte, 2048), make([]byte, 256)
	for {
		select {
		case <-w.done:
			return
		default:
		}
		n, oobn, _, _, err := unix.Recvmsg(w.fd, buf, oob, 0)
		if err != nil {
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) {
				continue
			}
			return
		}
		if s, ok := classify(buf[:n]); ok {
			s.at = stamp(oob[:oobn])
			w.mu.Lock()
			w.seen = append(w.seen, s)
			w.mu.Unlock()
		}
	}
}

// stamp reads the kernel's time stamp.
func stamp(oob []byte) time.Time {
	control, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}
	}
	for _, c := range control {
		if c.Header.Level == unix.SOL_SOCKET && c.Header.Type == syscall.SCM_TIMESTAMPNS && len(c.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(c.Data)), int64(binary.NativeEndian.Uint64(c.Data[8:])))
		}
	}
	return time.Time{}
}

// classify says what a frame is, if it is of interest.
func classify(b []byte) (s sighting, ok bool) {
	if len(b) < 42 {
		return s, false
	}
	copy(s.from[:], b[6:12])
	vip := lab.VIP.As4()
	switch {
	case b[12] == 0x08 && b[13] == 0x06:
		s.kind = garp
		return s, [4]byte(b[28:32]) == vip && [4]byte(b[38:42]) == vip
	case b[12] != 0x08 || b[13] != 0x00:
		return s, false
	case b[23] == 112:
		if s.kind = advert; b[14+20+2] == 0 {
			s.kind = resignation
		}
		return s, true
	case b[23] == unix.IPPROTO_TCP && len(b) >= 54:
		const synAck = 0x12
		s.kind = answer
		return s, [4]byte(b[26:30]) == vip && b[14+20+13]&synAck == synAck
	}
	return s, false
}

// reset forgets what is past. The last advert of A stays: it may be its last word.
func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.seen)
	for i, s := range w.seen {
		if s.kind == advert && s.from == w.macA {
			last = i
		}
	}
	w.seen = append(w.seen[:0], w.seen[last:]...)
}

// alone says whether one router has been speaking for a while and no other.
func (w *wire) alone(mac [6]byte, d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	first := time.Time{}
	for _, s := range w.seen {
		switch {
		case s.kind != advert:
		case s.from != mac:
			first = time.Time{}
		case first.IsZero() || now.Sub(s.at) > d:
			first = s.at
		}
	}
	n := len(w.seen)
	return n > 0 && !first.IsZero() && now.Sub(first) >= d && now.Sub(w.lastAdvert(mac)) < d
}

func (w *wire) lastAdvert(mac [6]byte) (at time.Time) {
	for _, s := range w.seen {
		if s.from == mac && s.kind == advert {
			at = s.at
		}
	}
	return at
}

// forget drops what has been seen of one kind.
func (w *wire) forget(k kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = slices.DeleteFunc(w.seen, func(s sighting) bool { return s.kind == k })
}

// answers says whether a connection attempt has been answered by A.
func (w *wire) answers() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.seen, func(s sighting) bool { return s.kind == answer && s.from == w.macA })
}

// due is when the takeover is due, after what A has said last.
func (w *wire) due(interval time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.lastWord(time.Now())
	return last.at.Add(bound(interval, last.kind == resignation))
}

// lastWord is A's last advert before an instant, or its resignation.
func (w *wire) lastWord(before time.Time) (last sighting) {
	for _, s := range w.seen {
		if s.from == w.macA && (s.kind == advert || s.kind == resignation) && s.at.Before(before) {
			// A program may resign more than once: the first one counts.
			if !(last.kind == resignation && s.kind == resignation) {
				last = s
			}
		}
	}
	return last
}

// taken says whether everything of the takeover has been seen.
func (w *wire) taken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, okAdvert := w.first(advert)
	_, okGARP := w.first(garp)
	_, okAnswer := w.first(answer)
	return okAdvert && okGARP && okAnswer
}

// counts says how much of each kind has been seen from a router.
func (w *wire) counts(mac [6]byte) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var n [answer + 1]int
	for _, s := range w.seen {
		if s.from == mac {
			n[s.kind]++
		}
	}
	return fmt.Sprintf("%d advertisements, %d resignations, %d gratuitous ARPs, %d answers", n[advert], n[resignation], n[garp], n[answer])
}

// first is the first frame of a kind from B.
func (w *wire) first(k kind) (time.Time, bool) {
	for _, s := range w.seen {
		if s.kind == k && s.from == w.macB {
			return s.at, true
		}
	}
	return time.Time{}, false
}

// result measures from the last word of A before B's first.
func (w *wire) result(interval time.Duration) result {
	w.mu.Lock()
	defer w.mu.Unlock()
	first, _ := w.first(advert)
	last := w.lastWord(first)
	due := last.at.Add(bound(interval, last.kind == resignation))
	announced, _ := w.first(garp)
	answered, _ := w.first(answer)
	return result{first.Sub(due), announced.Sub(due), answered.Sub(due)}
}
