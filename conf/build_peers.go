package conf

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"usher/vrrp"
)

// Peers is the group of directors that this one is in.
type Peers struct {
	Name   string
	Listen netip.AddrPort
	Join   []netip.AddrPort
	// Secret encrypts, and OldSecret is read besides: 16, 24 or 32 bytes, nil for none.
	Secret    vrrp.Secret `json:"key"`
	OldSecret vrrp.Secret `json:"old_key"`
}

// peersPort is the port where none is given, memberlist's own.
const peersPort = 7946

// maxPeerName bounds the name of a director, in bytes.
const maxPeerName = 128

// peers reads the group; nil for none.
func (b *builder) peers(n *node, routerID string) *Peers {
	if n == nil {
		return nil
	}
	p := &Peers{Name: n.text("name")}
	at := n.own()
	if n.given("name") {
		at = n.at("name")
	} else {
		p.Name = routerID
	}
	if p.Name == "" || len(p.Name) > maxPeerName || !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		b.complain(at, "Not a name", "The name of a director among its peers has 1 to %d bytes of printable characters, which %q has not: give name.", maxPeerName, p.Name)
	}
	if v := n.values["listen"]; v != nil && !v.bad {
		var problem string
		if p.Listen, problem = peerAddress(n.text("listen")); problem == "" && p.Listen.Addr().IsUnspecified() {
			problem = "the other directors are told this address: give the one by which they reach this machine"
		}
		if problem != "" {
			b.complain(v.at, "Not an address to listen at", "listen = %q: %s.", n.text("listen"), problem)
		}
	}
	if v := n.values["join"]; v != nil && !v.bad {
		for i, text := range n.texts("join") {
			a, problem := peerAddress(text)
			if problem == "" && a.Addr().IsUnspecified() {
				problem = "it is no address of another director"
			}
			switch {
			case problem != "":
				b.complain(v.item(i), "Not an address of a director", "join takes addresses such as 192.0.2.3 or 192.0.2.3:7946, not %q: %s.", text, problem)
			case p.Listen.IsValid() && a.Addr().Is4() != p.Listen.Addr().Is4():
				b.complain(v.item(i), "Another family", "%s cannot be reached from %s, which is of the other family.", a, p.Listen)
			case !slices.Contains(p.Join, a):
				p.Join = append(p.Join, a)
			}
		}
	}
	p.Secret, p.OldSecret = b.peersKey(n, "key"), b.peersKey(n, "old_key")
	if slices.Equal(p.Secret, p.OldSecret) {
		p.OldSecret = nil
	}
	given := n.given("key") || n.given("key_file")
	switch {
	case !given && (n.given("old_key") || n.given("old_key_file")):
		b.complain(n.own(), "No key", "old_key is the key before: give key, too.")
	case !given && p.Listen.IsValid() && !p.Listen.Addr().IsLoopback():
		b.complain(n.own(), "No key", "What directors tell each other is encrypted everywhere but on loopback: openssl rand -base64 32 > /etc/usher/peers.key, chmod 600 /etc/usher/peers.key, the same file on all of them, and key = file(\"/etc/usher/peers.key\").")
	}
	return p
}

// peerAddress reads an IP address with a port or without.
func peerAddress(text string) (a netip.AddrPort, problem string) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		ip, ipErr := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
		if ipErr != nil {
			return a, "it is no IP address, with or without a port"
		}
		a = netip.AddrPortFrom(ip, peersPort)
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	switch {
	case a.Port() == 0:
		return a, "the port must be 1 to 65535"
	case a.Addr().Zone() != "":
		return a, "an address with a zone means nothing to other machines"
	case a.Addr().IsMulticast():
		return a, "it is a multicast group"
	}
	return a, ""
}

// peersKey reads the bytes of a key; nil where there is none, or that is complained of.
func (b *builder) peersKey(n *node, name string) vrrp.Secret {
	at := name
	if n.given(name + "_file") {
		at = name + "_file"
	}
	if !n.given(at) {
		return nil
	}
	text := b.secret(n, name)
	switch {
	case text == unread:
		return make(vrrp.Secret, 32)
	case text == "" && at != name, n.values[at].bad:
		return nil
	}
	b.keyTexts = append(b.keyTexts, text)
	b.openKey(n, at, at == name+"_file", text)
	key, problem := readPeersKey(text)
	if problem != "" {
		b.complain(n.at(at), "Invalid key", "%s: openssl rand -base64 32 makes one.", problem)
	}
	return key
}

// readPeersKey gives the bytes that a text stands for, or what is wrong with it. Text of
// 16, 24 or 32 bytes is a key as it is, though it may be base64, too: all directors read
// the same file alike.
func readPeersKey(text string) (key []byte, problem string) {
	text = strings.TrimSpace(text)
	if !keySize(len(text)) {
		decoded, err := hex.DecodeString(text)
		if err != nil || !keySize(len(decoded)) {
			decoded, err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil || !keySize(len(decoded)) {
			return nil, fmt.Sprintf("a key has 16, 24 or 32 bytes, or stands for so many in base64 or hexadecimal; this has %d characters", utf8.RuneCountInString(text))
		}
		key = decoded
	} else {
		key = []byte(text)
	}
	if different(key) < 4 {
		return nil, "the key is made of nearly nothing but one character"
	}
	return key, ""
}

func keySize(n int) bool { return n == 16 || n == 24 || n == 32 }

// different is how many different bytes there are.
func different(key []byte) int {
	sorted := slices.Sorted(slices.Values(key))
	return len(slices.Compact(sorted))
}
