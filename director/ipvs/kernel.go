package ipvs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoIPVS is the error of a kernel without IPVS.
var ErrNoIPVS = errors.New("this kernel has no IPVS")

// ErrPermission is the error of a process that may not use IPVS.
var ErrPermission = errors.New("no permission to use IPVS: it needs root, or the capability CAP_NET_ADMIN")

// Kernel is the IPVS of the network namespace that it was opened in. Its methods
// may be called from several goroutines; they take turns.
type Kernel struct {
	mu     sync.Mutex
	socket *socket
	family uint16
}

// Open connects to the IPVS of this network namespace. A kernel that has not
// loaded its module is told to. The error is ErrNoIPVS or ErrPermission where
// these are the reason.
func Open() (*Kernel, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	k := &Kernel{socket: s}
	if err := k.connect(); err != nil {
		s.close()
		return nil, err
	}
	return k, nil
}

func (k *Kernel) connect() error {
	id, err := k.resolve()
	if errors.Is(err, unix.ENOENT) {
		why := modprobe("ip_vs")
		if id, err = k.resolve(); errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("ipvs: %w (module ip_vs)", ErrNoIPVS)
			if errors.Is(why, exec.ErrNotFound) { // as in a container
				return fmt.Errorf("%w, and there is no modprobe here to load it: run \"modprobe ip_vs\" on the host", err)
			}
			if why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("ipvs: look up the netlink family IPVS: %w", err)
	}
	k.family = id
	err = k.socket.do(id, cmdGetInfo, nil, nil)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("ipvs: %w", ErrPermission)
	}
	if err != nil {
		return fmt.Errorf("ipvs: ask for the version: %w", err)
	}
	return nil
}

// resolve asks the generic netlink controller for the number of the family.
func (k *Kernel) resolve() (uint16, error) {
	var id uint16
	err := k.socket.do(unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY,
		func(m *message) { m.str(unix.CTRL_ATTR_FAMILY_NAME, "IPVS") },
		func(payload []byte) error {
			ad, err := netlink.NewAttributeDecoder(payload[min(4, len(payload)):])
			if err != nil {
				return err
			}
			for ad.Next() {
				if ad.Type() == unix.CTRL_ATTR_FAMILY_ID {
					id = ad.Uint16()
				}
			}
			return ad.Err()
		})
	return id, err
}

// Close ends the conversation.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.socket.close()
}

// modprobe loads a kernel module; the error says what modprobe said.
func modprobe(module string) error {
	out, err := exec.Command("modprobe", module).CombinedOutput()
	if err == nil {
		return nil
	}
	if text := strings.TrimSpace(string(out)); text != "" {
		return fmt.Errorf("modprobe %s: %s", module, text)
	}
	return fmt.Errorf("modprobe %s: %w", module, err)
}

// ModuleError is a scheduler or persistence engine that the kernel lacks. It
// unwraps to unix.ENOENT.
type ModuleError struct {
	Kind   string // "scheduler" or "persistence engine"
	Name   string
	Module string // the kernel module that has it
	Why    error  // what modprobe said; nil if it was content
}

// Error names the module.
func (e *ModuleError) Error() string {
	s := fmt.Sprintf("this kernel has no %s %q: its module %s is not loaded", e.Kind, e.Name, e.Module)
	if e.Why != nil {
		s += ": " + e.Why.Error()
	}
	return s
}

// Unwrap gives unix.ENOENT, which is what the kernel said.
func (e *ModuleError) Unwrap() error { return unix.ENOENT }

// missingModule tells which module the kernel meant when it said ENOENT about a
// service with these settings.
func missingModule(s Service) *ModuleError {
	e := &ModuleError{Kind: "scheduler", Name: s.Scheduler, Module: "ip_vs_" + s.Scheduler}
	if s.Engine != "" && hasModule(e.Module) {
		e = &ModuleError{Kind: "persistence engine", Name: s.Engine, Module: "ip_vs_pe_" + s.Engine}
	}
	return e
}

func hasModule(name string) bool {
	_, err := os.Stat("/sys/module/" + name)
	return err == nil
}
