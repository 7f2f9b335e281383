package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"usher/director"
	"usher/director/ipvs"
	"usher/vrrp/statefile"
	"usher/vrrp/sysctl"
)

// memory is what is remembered across restarts: what usher owns in the kernel,
// what operators said, and what kernel settings were before.
type memory struct {
	// Boot tells this boot of the machine and network namespace from others, whose
	// kernel tables are gone: ownership and settings from there mean nothing here.
	Boot      string                                  `json:"boot"`
	Owned     []ownedService                          `json:"owned,omitempty"`
	Overrides map[string]map[string]director.Override `json:"overrides,omitempty"` // by virtual server and real server
	Ramps     slowStarts                              `json:"ramps,omitempty"`
	Sysctls   map[string]string                       `json:"sysctls,omitempty"`  // values before usher
	Timeouts  *ipvs.Timeouts                          `json:"timeouts,omitempty"` // the same
	Sync      *ipvs.SyncDaemon                        `json:"sync,omitempty"`     // daemon that usher started
	// SyncBefore is that of the role before, which lingers.
	SyncBefore *ipvs.SyncDaemon `json:"sync_before,omitempty"`
	SNAT       bool             `json:"snat,omitempty"` // usher's nftables table may be there
}

// ownedService is a key as a file holds it.
type ownedService struct {
	Protocol string     `json:"protocol,omitempty"`
	Address  netip.Addr `json:"address,omitzero"`
	Port     uint16     `json:"port,omitempty"`
	Mark     uint32     `json:"fwmark,omitempty"`
	IPv6     bool       `json:"ipv6,omitempty"`
}

// syncs gives the synchronisation daemons that usher started.
func (m *memory) syncs() (all []ipvs.SyncDaemon) {
	for _, s := range []*ipvs.SyncDaemon{m.SyncBefore, m.Sync} {
		if s != nil {
			all = append(all, *s)
		}
	}
	return all
}

func (m *memory) owns() map[ipvs.ServiceKey]bool {
	owned := make(map[ipvs.ServiceKey]bool, len(m.Owned))
	for _, o := range m.Owned {
		key := ipvs.ServiceKey{Address: o.Address, Port: o.Port, Mark: o.Mark, IPv6: o.IPv6}
		for _, p := range []ipvs.Protocol{ipvs.TCP, ipvs.UDP, ipvs.SCTP} {
			if p.String() == o.Protocol {
				key.Protocol = p
			}
		}
		owned[key.Canonical()] = true
	}
	return owned
}

func (m *memory) setOwned(owned map[ipvs.ServiceKey]bool) {
	keys := make([]ipvs.ServiceKey, 0, len(owned))
	for key := range owned {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	m.Owned = make([]ownedService, len(keys))
	for i, key := range keys {
		m.Owned[i] = ownedService{Address: key.Address, Port: key.Port, Mark: key.Mark, IPv6: key.IPv6}
		if key.Mark == 0 {
			m.Owned[i].Protocol = key.Protocol.String()
		}
	}
}

func (m *memory) override(vs string, rs netip.AddrPort) director.Override {
	return m.Overrides[vs][rs.String()]
}

func (m *memory) setOverride(vs string, rs netip.AddrPort, o director.Override) {
	if o.Mode == director.OverrideNone {
		delete(m.Overrides[vs], rs.String())
		if len(m.Overrides[vs]) == 0 {
			delete(m.Overrides, vs)
		}
		return
	}
	if m.Overrides == nil {
		m.Overrides = map[string]map[string]director.Override{}
	}
	if m.Overrides[vs] == nil {
		m.Overrides[vs] = map[string]director.Override{}
	}
	m.Overrides[vs][rs.String()] = o
}

// damaged is the error of a state that is there but cannot be understood.
type damaged struct {
	path string
	err  error
}

func (e damaged) Error() string {
	return fmt.Sprintf("director: read the state in %s: %v", e.path, e.err)
}
func (e damaged) Unwrap() error { return e.err }

// setAside keeps a damaged state for whoever wants to look at it, out of the way.
func (e damaged) setAside() (string, error) {
	aside := e.path + ".damaged"
	return aside, os.Rename(e.path, aside)
}

// loadMemory reads path; a file that is not there is an empty memory, and so is
// what another boot wrote, overrides apart. "" is always empty.
func loadMemory(path, boot string) (memory, error) {
	fresh := memory{Boot: boot}
	if path == "" {
		return fresh, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("director: read the state: %w", err)
	}
	var m memory
	if err := json.Unmarshal(data, &m); err != nil {
		return fresh, damaged{path, err}
	}
	if m.Boot != boot {
		fresh.Overrides = m.Overrides
		return fresh, nil
	}
	return m, nil
}

// persist has the state folder hold what is remembered. A folder that cannot be
// written, on a full disk say, keeps no traffic from its servers: what it lacks is
// missed only if usher is killed meanwhile. Caller holds mu.
func (d *Engine) persist() { d.unsaved = d.memory.save(d.file()) }

// remembered tries once more to write what could not be written, and tells why it
// still cannot. Caller holds mu.
func (d *Engine) remembered() error {
	if d.unsaved != nil {
		d.persist()
	}
	if d.unsaved != nil {
		return fmt.Errorf("director: remember what is owned: %w; make room or the folder writable: if usher is killed now, nobody knows what in the kernel is its own, and what operators said of servers is lost", d.unsaved)
	}
	return nil
}

// save writes the memory so that a crash leaves the old or the new, never a part.
func (m *memory) save(path string) error {
	if path == "" {
		return nil
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return statefile.Write(path, append(data, '\n'))
}

// bootID names this boot and network namespace as far as the machine tells.
func bootID() string {
	space, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		space = "unknown"
	}
	return cmp.Or(sysctl.Boot(), "unknown") + " " + space
}
