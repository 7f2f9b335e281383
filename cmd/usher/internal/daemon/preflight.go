package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/vrrp"
	"usher/vrrp/sysctl"
)

// Machine is what usher looks at before it changes anything, and what it warns of.
type Machine struct {
	Interfaces     func() ([]string, error)
	Capabilities   func() (uint64, error)         // the effective set, a bit for each capability
	Networks       func() ([]netip.Prefix, error) // that are reached without a router
	NeighbourLimit func(six bool) (int, error)    // how many neighbours the kernel's table can hold
	// ARPIgnore is how an interface answers ARP for addresses of others (arp_ignore in the
	// kernel's ip-sysctl.rst): the larger value of its own and that of all.
	ARPIgnore func(name string) (int, error)
	// Addresses are those that this machine has. By a state folder usher's own are known
	// that have no lease.
	Addresses func(state string) ([]vrrp.LocalAddress, error)
}

// ThisMachine is the real one, of which addresses tells what it has, as Machine.Addresses.
func ThisMachine(addresses func(state string) ([]vrrp.LocalAddress, error)) Machine {
	return Machine{
		Interfaces: interfaces, Capabilities: capabilities, Networks: networks, NeighbourLimit: neighbourLimit, ARPIgnore: arpIgnore,
		Addresses: addresses,
	}
}

// Here is what a plan looks at of the machine.
func (m Machine) Here(state string) (here plan.Here, err error) {
	here.AnswersARP = m.AnswersARP
	if here.Interfaces, err = m.Interfaces(); err != nil {
		return here, err
	}
	here.Addresses, err = m.Addresses(state)
	return here, err
}

func arpIgnore(name string) (most int, err error) {
	for _, of := range []string{"all", name} {
		text, err := sysctl.Get("net/ipv4/conf/" + of + "/arp_ignore")
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("arp_ignore of %s: %w", of, err)
		}
		most = max(most, n)
	}
	return most, nil
}

// AnswersARP says whether an interface answers ARP for addresses of other interfaces. Where
// that is not known it is said to.
func (m Machine) AnswersARP(name string) bool {
	n, err := m.ARPIgnore(name)
	return err != nil || vrrp.AnswersARP(n)
}

func interfaces() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names, nil
}

func capabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read own capabilities: %w", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// need is a capability and what this configuration wants it for.
type need struct {
	bit  uint
	name string
	why  string
}

// preflight says everything that keeps this machine from running c. Only what c
// needs is asked for. An interface that is not there is no obstacle to a start, unless
// it is a strict one: what needs it waits, all else runs. A reload that names one has a
// mistake in it, most likely, and somebody who is told so; interfaces that running
// already uses may be away for a while.
func preflight(m Machine, c, running *conf.Config, strict bool) error {
	if running == nil && !strict {
		return permitted(m, c)
	}
	return errors.Join(permitted(m, c), present(m, c, running))
}

func permitted(m Machine, c *conf.Config) error {
	var needs []need
	if len(c.Instances) > 0 {
		needs = append(needs,
			need{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "to hold virtual addresses"},
			need{unix.CAP_NET_RAW, "CAP_NET_RAW", "to send VRRP advertisements"})
	} else if len(c.VirtualServers) > 0 {
		needs = append(needs, need{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "to write the kernel's IPVS table"})
	}
	if len(needs) == 0 {
		return nil
	}
	have, err := m.Capabilities()
	if err != nil {
		return err
	}
	var missing, systemd, docker []string
	for _, n := range needs {
		if have&(1<<n.bit) == 0 {
			missing = append(missing, n.name+" ("+n.why+")")
			systemd = append(systemd, n.name)
			docker = append(docker, "--cap-add="+strings.TrimPrefix(n.name, "CAP_"))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("not permitted: usher lacks %s; run it as root, or give it what it lacks (systemd: AmbientCapabilities=%s, docker: %s)",
		strings.Join(missing, " and "), strings.Join(systemd, " "), strings.Join(docker, " "))
}

func present(m Machine, c, running *conf.Config) error {
	wanted := interfacesOf(c)
	if running != nil {
		for name := range interfacesOf(running) {
			delete(wanted, name)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	there, err := m.Interfaces()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var missing []error
	for name, user := range wanted {
		if !slices.Contains(there, name) {
			missing = append(missing, fmt.Errorf("%s: interface %q is not there; this machine has %s", user, name, strings.Join(there, ", ")))
		}
	}
	slices.SortFunc(missing, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(missing...)
}

// interfacesOf gives each interface that must be there and who wants it. Tracked
// ones need not: a missing one counts as down.
func interfacesOf(c *conf.Config) map[string]string {
	wanted := map[string]string{}
	if s := c.Global.IPVS.Sync; s != nil {
		wanted[s.Interface] = "global.ipvs.sync"
	}
	for _, i := range c.Instances {
		user := fmt.Sprintf("vrrp_instance %q", i.Name)
		for _, name := range i.Needs() {
			wanted[name] = user
		}
	}
	return wanted
}
