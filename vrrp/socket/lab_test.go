package socket

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// lab is a loop on one end of a veth pair, and the test itself, as frames, on
// the other.
type lab struct {
	t      *testing.T
	loop   *Loop
	events chan vrrp.Event
	holds  chan bool
	soon   func() // called on the first thread, just before a takeover
	end    context.CancelFunc
	done   chan error
	fd     int // the far end
	index  int
}

const (
	near = "v0"
	far  = "v1"
)

// patienceOfTest is how long anything may take before a test fails.
const patienceOfTest = 10 * time.Second

func newLab(t *testing.T) *lab {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far}))
	l := &lab{t: t, events: make(chan vrrp.Event, 1000), holds: make(chan bool, 1000), soon: func() {}, done: make(chan error, 1)}
	for _, name := range []string{near, far} {
		// No link-local address of the kernel's own, which would be checked for duplicates first.
		must(os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/addr_gen_mode", []byte("1"), 0))
		link, err := netlink.LinkByName(name)
		must(err)
		must(netlink.LinkSetUp(link))
	}
	link, err := netlink.LinkByName(near)
	must(err)
	must(netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 5), Mask: net.CIDRMask(24, 32)}}))
	must(netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP("fe80::5"), Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD}))
	other, err := netlink.LinkByName(far)
	must(err)
	l.index = other.Attrs().Index
	l.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(networkOrder(unix.ETH_P_ALL)))
	must(err)
	must(unix.Bind(l.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: l.index}))
	must(unix.SetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patienceOfTest / time.Second)}))

	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	l.loop = New(Options{Log: log, Holder: l, Events: func(e vrrp.Event) { l.events <- e }})
	ctx, end := context.WithCancel(t.Context())
	l.end = end
	go func() { l.done <- l.loop.Run(ctx) }()
	t.Cleanup(func() {
		end()
		select {
		case err := <-l.done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(patienceOfTest):
			t.Error("the loop does not end")
		}
		_ = unix.Close(l.fd)
		if link, err := netlink.LinkByName(far); err == nil {
			_ = netlink.LinkDel(link)
		}
	})
	return l
}

func (l *lab) Set(_ string, active bool)                           { l.holds <- active }
func (l *lab) Announce(string)                                     {}
func (l *lab) AnnounceSource(string, netip.Addr, net.HardwareAddr) {}
func (l *lab) Soon()                                               { l.soon() }

func config() vrrp.Config {
	return vrrp.Config{
		Name: "web", Interface: near, VRID: 51, Priority: 100, Version: 3, Interval: 50 * time.Millisecond, DownAdverts: 3, Preempt: true,
		Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.10/24")}},
	}
}

func (l *lab) apply(c vrrp.Config) {
	l.t.Helper()
	if err := l.loop.Apply(l.t.Context(), vrrp.Desired{Instances: []vrrp.Config{c}}); err != nil {
		l.t.Fatal(err)
	}
	// The sockets are opened after the commands that there were.
	if err := l.loop.Call(l.t.Context(), func(time.Time, *engine.Engine) {}); err != nil {
		l.t.Fatal(err)
	}
}

// await waits for a change to a state.
func (l *lab) await(want vrrp.State) vrrp.Event {
	l.t.Helper()
	deadline := time.After(patienceOfTest)
	for {
		select {
		case e := <-l.events:
			l.t.Log(e.Time.Format("05.000000"), e.Kind, e.Message())
			if e.Kind == vrrp.EventState && e.To == want {
				return e
			}
		case <-deadline:
			l.t.Fatalf("never %v", want)
		}
	}
}

// frame is one VRRP packet seen at the far end.
type frame struct {
	src, dst net.HardwareAddr
	msg      engine.Incoming
	tos      byte
	advert   packet.Advert
	form     packet.Form
}

// sniff gives the next VRRP packet of the loop.
func (l *lab) sniff() frame {
	l.t.Helper()
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(l.fd, buf, 0)
		if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.EINTR) {
			continue // the interface was down meanwhile, or a signal came
		}
		if err != nil {
			l.t.Fatalf("nothing heard: %v", err)
		}
		b := buf[:n]
		if ll, ok := from.(*unix.SockaddrLinklayer); n < 34 || !ok || ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		f := frame{src: net.HardwareAddr(b[6:12]), dst: net.HardwareAddr(b[0:6])}
		switch {
		case b[12] == 0x08 && b[13] == 0x00 && b[14+9] == packet.Protocol:
			f.msg, f.tos = parse4(b[14:], l.index), b[15]
		case b[12] == 0x86 && b[13] == 0xdd && b[14+6] == packet.Protocol:
			f.msg, f.tos = parse6(b[14:], l.index), b[14]<<4|b[15]>>4
		default:
			continue
		}
		var reason vrrp.Discard
		if f.advert, f.form, reason = packet.Parse(f.msg.Payload, f.msg.Source, f.msg.Destination); reason != vrrp.DiscardNone {
			l.t.Fatalf("sent what is to be discarded for %s: % x", reason, b)
		}
		return f
	}
}

// inject puts an advert on the wire as a peer with that address.
func (l *lab) inject(from string, mac net.HardwareAddr, a packet.Advert) {
	l.t.Helper()
	out := engine.Outgoing{Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr("224.0.0.18"), TTL: 255}
	proto := []byte{0x08, 0x00}
	if out.Source.Is6() {
		out.Destination, proto = netip.MustParseAddr("ff02::12"), []byte{0x86, 0xdd}
	}
	out.Payload = packet.Append(nil, a, out.Source, out.Destination, packet.FormPseudoHeader)
	b := append(append([]byte(groupMAC(out.Destination)), mac...), proto...)
	if out.Source.Is6() {
		b = header6(b, out)
	} else {
		b = header4(b, out, 1)
	}
	if err := unix.Sendto(l.fd, append(b, out.Payload...), 0, &unix.SockaddrLinklayer{Ifindex: l.index}); err != nil {
		l.t.Fatal(err)
	}
}

var peerMAC = net.HardwareAddr{2, 0, 0, 0, 0, 7}

func advert(c vrrp.Config, v6 bool, priority uint8) packet.Advert {
	return packet.Advert{Version: c.Version, VRID: c.VRID, Priority: priority, Interval: c.Interval, Addresses: c.Advertised(v6)}
}
