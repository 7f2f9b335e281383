package genl

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// ErrNoIPVS is the error of a kernel without IPVS.
var ErrNoIPVS = errors.New("this kernel has no IPVS")

// ErrPermission is the error of a process that may not use IPVS.
var ErrPermission = errors.New("no permission to use IPVS: it needs root, or the capability CAP_NET_ADMIN")

// Kernel is the IPVS of the network namespace that it was opened in. Its methods
// may be called from several goroutines; they take turns.
type Kernel struct {
	mu     sync.Mutex
	moby   *library
	socket *socket // for what the library lacks
	family uint16
}

// Open connects to the IPVS of this network namespace. A kernel that has not
// loaded its module is told to. The error is ErrNoIPVS or ErrPermission where
// these are the reason.
func Open() (*Kernel, error) {
	family, err := load()
	if err != nil {
		return nil, err
	}
	k := &Kernel{family: family}
	if k.moby, err = openLibrary(); err != nil {
		return nil, fmt.Errorf("ipvs: %w", err)
	}
	if k.socket, err = openSocket(); err != nil {
		k.moby.close()
		return nil, err
	}
	if _, err := k.Timeouts(); err != nil {
		k.Close()
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("ipvs: %w", ErrPermission)
		}
		return nil, err
	}
	return k, nil
}

// load gives the number of the netlink family of IPVS. Asking makes a kernel load
// the module that it has; one that cannot by itself is helped.
func load() (uint16, error) {
	family, err := netlink.GenlFamilyGet("IPVS")
	if errors.Is(err, unix.ENOENT) {
		why := Modprobe("ip_vs")
		if family, err = netlink.GenlFamilyGet("IPVS"); errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("ipvs: %w (module ip_vs)", ErrNoIPVS)
			if errors.Is(why, exec.ErrNotFound) { // as in a container
				return 0, fmt.Errorf("%w, and there is no modprobe here to load it: run \"modprobe ip_vs\" on the host", err)
			}
			if why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
			return 0, err
		}
	}
	if err != nil {
		return 0, fmt.Errorf("ipvs: look up the netlink family IPVS: %w", err)
	}
	return family.ID, nil
}

// Close ends the conversation.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.moby.close()
	return k.socket.close()
}

// Modprobe loads a kernel module by modprobe(8); the error says what that said.
func Modprobe(module string) error {
	out, err := exec.Command("modprobe", module).CombinedOutput()
	if err == nil {
		return nil
	}
	if text := strings.TrimSpace(string(out)); text != "" {
		return fmt.Errorf("modprobe %s: %s", module, text)
	}
	return fmt.Errorf("modprobe %s: %w", module, err)
}

// missingModule tells which module the kernel meant when it said ENOENT about a
// service with these settings.
func missingModule(s ipvs.Service) *ipvs.ModuleError {
	e := &ipvs.ModuleError{Kind: "scheduler", Name: s.Scheduler, Module: "ip_vs_" + s.Scheduler, Errno: unix.ENOENT}
	if s.Engine != "" && hasModule(e.Module) {
		e = &ipvs.ModuleError{Kind: "persistence engine", Name: s.Engine, Module: "ip_vs_pe_" + s.Engine, Errno: unix.ENOENT}
	}
	return e
}

func hasModule(name string) bool {
	_, err := os.Stat("/sys/module/" + name)
	return err == nil
}
