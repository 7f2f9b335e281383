package rtnl

import (
	"errors"
	"fmt"
	"net"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// sender sends frames from one interface. It receives nothing.
type sender struct {
	conn *packet.Conn
	mac  net.HardwareAddr
	arp  bool // the interface speaks ARP
}

func (s *sender) close() error { return s.conn.Close() }

// Prepare implements vip.Kernel.
func (k *Kernel) Prepare(link string) error {
	_, err := k.sender(link)
	return err
}

func (k *Kernel) sender(link string) (*sender, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.senders[link]; s != nil {
		return s, nil
	}
	ifi, err := k.linkLocked(link)
	if err != nil {
		return nil, err
	}
	s := &sender{mac: ifi.HardwareAddr, arp: len(ifi.HardwareAddr) == 6}
	// Protocol 0: the socket is for sending alone, the kernel queues nothing on it.
	if s.conn, err = packet.Listen(&ifi, packet.Raw, 0, nil); err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", link, err)
	}
	k.senders[link] = s
	return s, nil
}

// Announce implements vip.Kernel. An interface without hardware addresses
// (a tunnel, a loopback) has no neighbours to tell.
func (k *Kernel) Announce(a vip.Announcement) error {
	err := k.announceOnce(a)
	for _, stale := range []error{unix.ENODEV, unix.ENXIO, unix.EBADF, net.ErrClosed} {
		if errors.Is(err, stale) {
			k.forget(a.Link)
			return k.announceOnce(a)
		}
	}
	return err
}

func (k *Kernel) announceOnce(a vip.Announcement) error {
	s, err := k.sender(a.Link)
	if err != nil || !s.arp {
		return err
	}
	mac := a.HardwareAddr()
	if mac == nil {
		mac = s.mac
	}
	var frame *ethernet.Frame
	if a.Address.Is6() {
		frame, err = unsolicitedNA(mac, a, forwards(a.Link))
	} else {
		frame, err = gratuitousARP(mac, a)
	}
	if err != nil {
		return err
	}
	b, err := frame.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = s.conn.WriteTo(b, &packet.Addr{HardwareAddr: frame.Destination})
	return err
}

// gratuitousARP is the ARP request that RFC 9568 section 8.1.2 wants: sender and
// target are both the address, and every neighbour gets it.
func gratuitousARP(mac net.HardwareAddr, a vip.Announcement) (*ethernet.Frame, error) {
	p, err := arp.NewPacket(arp.OperationRequest, mac, a.Address, ethernet.Broadcast, a.Address)
	if err != nil {
		return nil, fmt.Errorf("gratuitous ARP for %s: %w", a.Address, err)
	}
	b, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return &ethernet.Frame{Destination: ethernet.Broadcast, Source: mac, EtherType: ethernet.EtherTypeARP, Payload: b}, nil
}
