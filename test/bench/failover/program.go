package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"usher/test/lab"
)

// program is what is measured.
type program interface {
	name() string
	start(n *lab.Node, priority int, interval time.Duration) (*lab.Process, error)
}

// usher runs as it comes, or with signed adverts.
type usher struct{ hmac bool }

func (usher) name() string { return "usher" }

func (u usher) start(n *lab.Node, priority int, interval time.Duration) (*lab.Process, error) {
	authentication := ""
	if u.hmac {
		authentication = `authentication {
    type       = "hmac"
    active_key = 1
    key "1" { secret = "a secret that only the bench knows" }
  }`
	}
	file, err := n.WriteFile("bench.hcl", fmt.Sprintf(`
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = %d
  advert_interval   = "%v"
  virtual_addresses = ["%v/32"]
  %s
}
`, priority, interval, lab.VIP, authentication))
	if err != nil {
		return nil, err
	}
	return n.StartUsher("run", "-c", file)
}

// keepalived runs as it comes, or with the real-time schedule that it can be told
// to take, usher's own priority.
type keepalived struct{ realtime bool }

func (keepalived) name() string { return "keepalived" }

func (k keepalived) start(n *lab.Node, priority int, interval time.Duration) (*lab.Process, error) {
	schedule := ""
	if k.realtime {
		schedule = "vrrp_rt_priority 50"
	}
	file, err := n.WriteFile("bench.conf", fmt.Sprintf(`global_defs {
	router_id %s
	vrrp_version 3
	%s
}
vrrp_instance web {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %g
	virtual_ipaddress {
		%v/32
	}
}
`, n.Name, schedule, priority, interval.Seconds(), lab.VIP))
	if err != nil {
		return nil, err
	}
	// What was killed leaves its pid files behind, and where nobody reaps it, a number
	// that looks alive.
	for _, pid := range []string{"keepalived.pid", "vrrp.pid"} {
		if err := os.Remove(filepath.Join(n.Dir, pid)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return n.KeepalivedFile("-P", "-f", file)
}
