package lab

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"

	"usher/vrrp/dump"
)

// holds looks in the namespace of the calling thread.
func holds(address string) (bool, error) {
	list, err := dump.Read(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return false, err
	}
	for _, a := range list {
		if a.IP.String() == address {
			return true, nil
		}
	}
	return false, nil
}

// AwaitVIP waits until the VIP is on the node, or is not.
func (n *Node) AwaitVIP(ctx context.Context, want bool) error {
	return Until(ctx, fmt.Sprintf("%s holding %s is %t", n.Name, VIP, want), func() error {
		held, err := n.Holds(VIP.String())
		if err != nil {
			return err
		}
		if held != want {
			return fmt.Errorf("it is %t", held)
		}
		return nil
	})
}
