package snat

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"

	"usher/director"
)

// marks is where the firewall marks of pools are, each a number of 24 bits above it; no
// packet carries marks itself. Marks of services are small numbers that people choose.
const marks uint32 = 0x76000000

// ruleset is the whole content of the table: a few rules, which look up in sets what
// services there are. So it costs packets the same however many there are, and a service
// more or less is an element more or less.
type ruleset struct {
	sets  map[string]*set   // by name; there is none without elements
	rules map[string][]rule // by chain, in order: the two hooks, and a chain for each pool with addresses
}

// set is an nftables set, or a map where it has values. Keys are as the kernel compares
// them, and so are marks; a verdict is the name of the chain that it goes to.
type set struct {
	name     string
	key      []nftables.SetDatatype
	value    nftables.SetDatatype // zero for a set
	elements map[string]string    // values by keys
}

// family is what differs between IPv4 and IPv6.
type family struct {
	number  byte   // NFPROTO_*
	digit   string // in the names of sets
	address nftables.SetDatatype
	offset  uint32 // of the destination address in the packet's header
}

// pool is how the sources of some services are translated. Services that share it share
// a mark.
type pool struct {
	family *family
	mark   uint32
	rule   director.SNATRule
}

// build gives the whole table. Services of the same local addresses, and with the same
// servers to except, share a mark; a service of a firewall mark has its mark already.
// Where nothing is to be translated any more, what was goes on.
func build(want []director.SNATRule) ruleset {
	r := ruleset{sets: map[string]*set{}, rules: map[string][]rule{}}
	byName := assign(want)
	for _, w := range want {
		if w.Service.Mark != 0 {
			r.translate(pool{family: familyOf(w.Service.Is6()), mark: w.Service.Mark, rule: w})
			continue
		}
		r.service(w, byName[poolName(w)].mark)
	}
	for _, p := range byName {
		r.translate(p)
	}
	r.write()
	return r
}

// poolName tells pools apart.
func poolName(w director.SNATRule) string {
	return fmt.Sprintf("%t %v %v", w.Service.Is6(), w.Pool, w.Except)
}

// assign gives each pool a mark, that of what it is: it stays as other services come and
// go, so that a reload changes nothing for those that it does not concern.
func assign(want []director.SNATRule) map[string]pool {
	byName := map[string]pool{}
	for _, w := range want {
		if w.Service.Mark == 0 {
			byName[poolName(w)] = pool{family: familyOf(w.Service.Is6()), rule: w}
		}
	}
	taken := make(map[uint32]bool, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(name)) // never fails
		p := byName[name]
		for number := sum.Sum32(); p.mark == 0; number++ {
			if mark := marks | number&0xffffff; mark != marks && !taken[mark] {
				p.mark = mark
			}
		}
		taken[p.mark], byName[name] = true, p
	}
	return byName
}

// add puts an element into a set, which is made with the first.
func (r *ruleset) add(name string, key []nftables.SetDatatype, value nftables.SetDatatype, element, is string) {
	s := r.sets[name]
	if s == nil {
		s = &set{name: name, key: key, value: value, elements: map[string]string{}}
		r.sets[name] = s
	}
	s.elements[element] = is
}

// The sets of a family by what they hold; the names end with the family's digit.
const (
	services    = "services"    // address, protocol and port, and the mark of the pool
	addresses   = "addresses"   // the same of services of every port
	excepted    = "excepted"    // mark, and address and port of a server that sees clients
	exceptHosts = "excepthosts" // the same for every port
	masquerade  = "masquerade"  // marks of the pools without addresses of their own
	pools       = "pools"       // marks of the others, and the chain of the addresses
)

// service marks what clients send to a service.
func (r *ruleset) service(w director.SNATRule, mark uint32) {
	f := familyOf(w.Service.Is6())
	name, key := addresses, []nftables.SetDatatype{f.address, nftables.TypeInetProto}
	element := field(w.Service.Address.AsSlice()) + field([]byte{byte(w.Service.Protocol)})
	if w.Service.Port != 0 {
		name, key = services, append(key, nftables.TypeInetService)
		element += port(w.Service.Port)
	}
	r.add(name+f.digit, key, nftables.TypeMark, element, number(mark))
}

// translate changes the source of what carries a pool's mark. The parts of the pool
// share at random. Not of what goes to a server that is excepted.
func (r *ruleset) translate(p pool) {
	f, mark := p.family, number(p.mark)
	for _, server := range p.rule.Except {
		name, key := exceptHosts, []nftables.SetDatatype{nftables.TypeMark, f.address}
		element := mark + field(server.Addr().AsSlice())
		if server.Port() != 0 {
			name, key = excepted, append(key, nftables.TypeInetService)
			element += port(server.Port())
		}
		r.add(name+f.digit, key, nftables.SetDatatype{}, element, "")
	}
	key := []nftables.SetDatatype{nftables.TypeMark}
	if len(p.rule.Pool) == 0 {
		r.add(masquerade+f.digit, key, nftables.SetDatatype{}, mark, "")
		return
	}
	var name strings.Builder
	name.WriteString("snat")
	for _, prefix := range p.rule.Pool {
		name.WriteString("_" + strings.NewReplacer(":", "-", "/", "_").Replace(prefix.Masked().String()))
	}
	chain := short(name.String())
	r.add(pools+f.digit, key, nftables.TypeVerdict, mark, chain)
	r.rules[chain] = f.addresses(p.rule.Pool)
}

// short keeps a chain's name within the kernel's 127 characters.
func short(name string) string {
	if len(name) < 64 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%s_%x", name[:40], sum[:8])
}

// field pads a part of a concatenated key to the kernel's 32 bits.
func field(b []byte) string {
	return string(b) + strings.Repeat("\x00", (4-len(b)%4)%4)
}

// number is a number as the kernel itself has it, such as a mark.
func number(n uint32) string { return string(binary.NativeEndian.AppendUint32(nil, n)) }

func port(p uint16) string { return field(binary.BigEndian.AppendUint16(nil, p)) }

// bounds gives the first and last address of a prefix.
func bounds(p netip.Prefix) (from, to netip.Addr) {
	from = p.Masked().Addr()
	b := from.AsSlice()
	for i := range b {
		if host := 8*(i+1) - p.Bits(); host > 0 {
			b[i] |= byte(1<<min(host, 8) - 1)
		}
	}
	to, _ = netip.AddrFromSlice(b)
	return from, to
}
