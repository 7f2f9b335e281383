package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// keepalivedConf is a peer with version 3 and keepalived's default checksum.
const keepalivedConf = `global_defs {
	router_id peer
	vrrp_version 3
}
vrrp_instance web {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int 1
	virtual_ipaddress {
		192.168.60.200/32
	}
}
`

// Keepalived starts keepalived on the node as a router of VRID 51 with the VIP.
func (n *Node) Keepalived(priority int) (*Process, error) {
	conf := filepath.Join(n.Dir, "keepalived.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, keepalivedConf, priority), 0o644); err != nil {
		return nil, err
	}
	return n.KeepalivedFile("-P", "-f", conf)
}

// KeepalivedFile starts keepalived with arguments of its own. Its pid files and
// its log are in the node's folder.
func (n *Node) KeepalivedFile(args ...string) (*Process, error) {
	pid := func(name string) string {
		path := filepath.Join(n.Dir, name+".pid")
		os.Remove(path) // of one that was killed; keepalived would take it for running
		return path
	}
	return n.Start("keepalived", append([]string{"keepalived", "--dont-fork", "--log-console", "--log-detail",
		"-p", pid("keepalived"), "-r", pid("vrrp"), "-c", pid("checkers")}, args...)...)
}

// Holds says whether an address is on one of the node's interfaces.
func (n *Node) Holds(address string) (bool, error) {
	held := false
	err := n.Do(func() error {
		var err error
		held, err = holds(address)
		return err
	})
	return held, err
}
