package realserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/director/ipvs/genl"
	"usher/vrrp/dump"
	"usher/vrrp/sysctl"
)

// LocalAddresses gives every address of this machine's devices, loopback's apart.
func LocalAddresses() ([]netip.Addr, error) {
	list, err := addresses(nil)
	if err != nil {
		return nil, fmt.Errorf("realserver: list addresses: %w", err)
	}
	var out []netip.Addr
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && !ip.IsLoopback() {
			out = append(out, ip.Unmap())
		}
	}
	return out, nil
}

// addresses gives the addresses of a device, or of all where it is nil.
func addresses(link netlink.Link) ([]netlink.Addr, error) {
	return dump.Read(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_ALL) })
}

// absent is what look finds where there is nothing.
const absent = "not there"

// look tells how things stand with a step: whether it is done, and what was found
// in its place, which is what undoing it goes back to.
func look(s Step) (done bool, found string, err error) {
	switch s.Kind {
	case Sysctl:
		found, err = sysctl.Get(s.Name)
		return err == nil && found == s.Value, found, err
	case Link:
		link, err := netlink.LinkByName(s.Device)
		if missing(err) {
			return false, absent, nil
		}
		if err != nil {
			return false, "", err
		}
		if link.Attrs().Flags&net.FlagUp != 0 {
			return true, "up", nil
		}
		return false, "down", nil
	case Port:
		ports, err := netlink.FouList(family(s))
		if err != nil {
			return false, absent, nil // a kernel without the module has no such list
		}
		if slices.ContainsFunc(ports, func(f netlink.Fou) bool { return f.Port == int(s.Port) && f.Family == family(s) }) {
			return true, "there", nil
		}
		return false, absent, nil
	}
	link, err := netlink.LinkByName(s.Device)
	if missing(err) {
		return false, absent, nil
	}
	if err != nil {
		return false, "", err
	}
	list, err := addresses(link)
	if err != nil {
		return false, "", err
	}
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == s.Address {
			return true, "there", nil
		}
	}
	return false, absent, nil
}

func missing(err error) bool {
	var none netlink.LinkNotFoundError
	return errors.As(err, &none)
}

func family(s Step) int {
	if s.IPv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// do carries a step out.
func do(s Step) error {
	switch s.Kind {
	case Sysctl:
		return sysctl.Set(s.Name, s.Value)
	case Link:
		link, err := netlink.LinkByName(s.Device)
		if missing(err) {
			if err := genl.Modprobe(s.Module); err != nil {
				return err
			}
			if s.Local.IsValid() {
				if err := netlink.LinkAdd(ownTunnel(s)); err != nil {
					return err
				}
			}
			link, err = netlink.LinkByName(s.Device)
		}
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	case Port:
		if err := genl.Modprobe(s.Module); err != nil {
			return err
		}
		return addGUE(s)
	}
	link, err := netlink.LinkByName(s.Device)
	if err != nil {
		return err
	}
	return netlink.AddrReplace(link, address(s))
}

// undo takes a step back to what was found before it.
func undo(s Step, found string) error {
	switch s.Kind {
	case Sysctl:
		return sysctl.Set(s.Name, found)
	case Port:
		return netlink.FouDel(netlink.Fou{Family: family(s), Port: int(s.Port)})
	}
	link, err := netlink.LinkByName(s.Device)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.Kind == Link && s.Local.IsValid() && found == absent {
		return netlink.LinkDel(link)
	}
	if s.Kind == Link {
		return netlink.LinkSetDown(link)
	}
	if err := netlink.AddrDel(link, address(s)); !errors.Is(err, unix.EADDRNOTAVAIL) {
		return err
	}
	return nil
}

// address is the VIP as a real server has it: of this host alone, and for IPv6
// never the source of a connection and not announced.
func address(s Step) *netlink.Addr {
	bits := s.Address.BitLen()
	a := &netlink.Addr{
		IPNet: &net.IPNet{IP: s.Address.AsSlice(), Mask: net.CIDRMask(bits, bits)},
		Scope: unix.RT_SCOPE_HOST,
	}
	if s.Address.Is6() {
		a.Scope, a.Flags = unix.RT_SCOPE_UNIVERSE, unix.IFA_F_NODAD
	}
	return a
}

// ownTunnel is the tunnel from anybody to one of this machine's addresses, see tunnel.
func ownTunnel(s Step) netlink.Link {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = s.Device
	if s.Module == "ip6_tunnel" {
		// Of any protocol: IPv6 for this address comes here as well, once it is there.
		return &netlink.Ip6tnl{LinkAttrs: attrs, Local: s.Local.AsSlice()}
	}
	return &netlink.Gretun{LinkAttrs: attrs, Local: s.Local.AsSlice(), IFlags: nl.GRE_CSUM}
}

// addGUE has the kernel unwrap GUE on a UDP port. netlink.FouAdd cannot be used: it
// names protocol 0 with GUE, which has none, and kernels of 2026 refuse that.
func addGUE(s Step) error {
	id, err := netlink.FouFamilyId()
	if err != nil {
		return err
	}
	body := []byte{netlink.FOU_CMD_ADD, 1, 0, 0}
	for _, a := range []*nl.RtAttr{
		nl.NewRtAttr(netlink.FOU_ATTR_PORT, binary.BigEndian.AppendUint16(nil, s.Port)),
		nl.NewRtAttr(netlink.FOU_ATTR_TYPE, []byte{netlink.FOU_ENCAP_GUE}),
		nl.NewRtAttr(netlink.FOU_ATTR_AF, []byte{byte(family(s))}),
	} {
		body = append(body, a.Serialize()...)
	}
	req := nl.NewNetlinkRequest(id, unix.NLM_F_ACK)
	req.AddRawData(body)
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}
