package native

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// speaker is the conformance suite's own VRRP router: it puts any bytes on the wire
// of node B and records what usher, on node A, says there. It shares no code with
// the program under test.
type speaker struct {
	t     *testing.T
	lab   *lab.Lab
	fd    int
	index int

	mu   sync.Mutex
	seen []heard
	more chan struct{} // has an element after each new frame
}

// heard is one VRRP packet or announcement of usher, with the kernel's time stamp.
type heard struct {
	at       time.Time
	eth      [14]byte
	ip       []byte // the IP header
	msg      []byte // the VRRP message; nil for an announcement
	announce netip.Addr
	na       []byte // the neighbour advertisement (RFC 4861 section 4.4), where it is one
}

func (h heard) priority() int { return int(h.msg[2]) }

// message is an advert as the suite writes it. The zero value of a field stands for
// what a good advert has; raw changes the message before its checksum is made.
type message struct {
	version  byte // 3
	vrid     byte // 51
	priority byte
	interval time.Duration // 100ms
	vips     []string
	ttl      byte // 255
	src, dst string
	auth     []byte // version 2's authentication data
	authType byte
	raw      func([]byte) []byte
	badSum   bool
	rfc9568  bool // checksum over the message alone
	mac      net.HardwareAddr
	// tail is what follows the message, beyond the checksum over IPv4.
	tail func(msg []byte, src netip.Addr) []byte
}

const peerAddress = "192.168.60.77"

// conformance starts usher with that configuration on A and the speaker on B.
func conformance(t *testing.T, config string) *speaker {
	t.Helper()
	return speak(t, suite.New(t, ""), config)
}

// timed is conformance for a test that measures times, or that shows a state which
// usher keeps but for a moment.
func timed(t *testing.T, config string) *speaker {
	t.Helper()
	return speak(t, suite.Alone(t, ""), config)
}

func speak(t *testing.T, l *lab.Lab, config string) *speaker {
	t.Helper()
	s := &speaker{t: t, lab: l, more: make(chan struct{}, 1)}
	labtest.Must(t, s.lab.B.Do(func() (err error) {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		s.index = i.Index
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(networkOrder(unix.ETH_P_ALL))); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return err
		}
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: i.Index})
	}))
	end, ended := make(chan struct{}), make(chan struct{})
	go s.listen(end, ended)
	t.Cleanup(func() {
		close(end)
		<-ended
		_ = unix.Close(s.fd)
	})
	if config != "" {
		labtest.Start(t, s.lab.A, "-c", labtest.File(t, s.lab.A, "usher.hcl", config))
	}
	return s
}

func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// listen records until end is closed.
func (s *speaker) listen(end, ended chan struct{}) {
	defer close(ended)
	for {
		select {
		case <-end:
			return
		default:
		}
		buf, oob := make([]byte, 2048), make([]byte, 256)
		n, oobn, _, from, err := unix.Recvmsg(s.fd, buf, oob, 0)
		if ll, ok := from.(*unix.SockaddrLinklayer); err != nil || !ok || ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if h, ok := dissect(buf[:n]); ok {
			h.at = timestamp(oob[:oobn])
			s.mu.Lock()
			s.seen = append(s.seen, h)
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
		}
	}
}

func timestamp(oob []byte) time.Time {
	control, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}
	}
	for _, c := range control {
		if c.Header.Level == unix.SOL_SOCKET && c.Header.Type == unix.SO_TIMESTAMPNS && len(c.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(c.Data)), int64(binary.NativeEndian.Uint64(c.Data[8:])))
		}
	}
	return time.Time{}
}

// dissect takes a frame apart: VRRP over either family, gratuitous ARP, unsolicited
// neighbour advertisements.
func dissect(b []byte) (h heard, ok bool) {
	if len(b) < 42 {
		return h, false
	}
	copy(h.eth[:], b)
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_ARP:
		sender, target := netip.AddrFrom4([4]byte(b[28:32])), netip.AddrFrom4([4]byte(b[38:42]))
		h.announce = sender
		return h, sender == target
	case unix.ETH_P_IP:
		h.ip, h.msg = b[14:34], b[34:14+int(binary.BigEndian.Uint16(b[16:]))]
		return h, b[23] == 112
	case unix.ETH_P_IPV6:
		if len(b) < 78 {
			return h, false
		}
		h.ip = b[14:54]
		if b[20] == 58 && b[54] == 136 {
			h.announce, h.na = netip.AddrFrom16([16]byte(b[62:78])), b[54:]
			return h, true
		}
		h.msg = b[54 : 54+int(binary.BigEndian.Uint16(b[18:]))]
		return h, b[20] == 112
	}
	return h, false
}

// forget drops what has been recorded.
func (s *speaker) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// next waits for the first frame that will do, from those recorded since the last
// forget on.
func (s *speaker) next(what string, ok func(heard) bool) heard {
	s.t.Helper()
	limit := time.After(15 * time.Second)
	for {
		s.mu.Lock()
		for i, h := range s.seen {
			if ok(h) {
				s.seen = s.seen[i+1:]
				s.mu.Unlock()
				return h
			}
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-limit:
			s.t.Fatalf("%s: not seen", what)
		}
	}
}

// adverts gives what has been recorded since the last forget.
func (s *speaker) adverts() (all []heard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.seen {
		if h.msg != nil {
			all = append(all, h)
		}
	}
	return all
}

func (s *speaker) nextAdvert() heard {
	s.t.Helper()
	return s.next("an advertisement", func(h heard) bool { return h.msg != nil })
}

// advertAfter waits for the first advert of an active router that was sent after a time.
func (s *speaker) advertAfter(at time.Time) heard {
	s.t.Helper()
	return s.next("an advertisement", func(h heard) bool { return h.msg != nil && h.priority() > 0 && h.at.After(at) })
}

// quiet checks that usher sends no advert for a while.
func (s *speaker) quiet(d time.Duration) {
	s.t.Helper()
	s.forget()
	<-time.After(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.seen {
		if h.msg != nil {
			s.t.Errorf("an advertisement with priority %d within %v", h.priority(), d)
		}
	}
}

// say puts an advert on the wire and gives the time at which it went.
func (s *speaker) say(m message) time.Time {
	s.t.Helper()
	at := time.Now()
	err := unix.Sendto(s.fd, m.frame(), 0, &unix.SockaddrLinklayer{Ifindex: s.index})
	if err != nil && !errors.Is(err, unix.ENETDOWN) {
		s.t.Fatal(err)
	}
	return at
}

// instance is what usher says of its instance, with the statistics that the suite
// looks at.
type instance struct {
	Name         string `json:"name"`
	State        string `json:"state"`
	ActiveRouter string `json:"active_router"`
	Statistics   struct {
		Received   int            `json:"adverts_received"`
		Mismatches int            `json:"address_mismatches"`
		Discarded  map[string]int `json:"discarded"`
	} `json:"statistics"`
}

func (s *speaker) status() instance {
	s.t.Helper()
	return statusOf(s.t, s.lab.A)
}

// statusOf is what a node's usher says of its first instance.
func statusOf(t *testing.T, n *lab.Node) instance {
	t.Helper()
	body, err := n.Control(t.Context(), "/api/v1/status")
	labtest.Must(t, err)
	var all struct {
		Instances []instance `json:"instances"`
	}
	labtest.Must(t, json.Unmarshal(body, &all))
	return all.Instances[0]
}

func (s *speaker) await(state string) {
	s.t.Helper()
	labtest.Await(s.t, s.lab.A, "web", state)
}

// received waits until usher has taken so many adverts.
func (s *speaker) received(n int) {
	s.t.Helper()
	labtest.Must(s.t, lab.Until(s.t.Context(), fmt.Sprintf("usher has taken %d adverts", n), func() error {
		if got := s.status().Statistics.Received; got < n {
			return fmt.Errorf("it counts %d", got)
		}
		return nil
	}))
}

// heardBy waits until usher has counted so many packets of ours, good or bad.
func (s *speaker) heardBy(n int) instance {
	s.t.Helper()
	var last instance
	labtest.Must(s.t, lab.Until(s.t.Context(), fmt.Sprintf("usher counts %d packets", n), func() error {
		last = s.status()
		got := last.Statistics.Received
		for _, d := range last.Statistics.Discarded {
			got += d
		}
		if got < n {
			return fmt.Errorf("it counts %d", got)
		}
		return nil
	}))
	return last
}
