package conf

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/healthcheck/files"
	"usher/vrrp"
)

// Types of authentication.
const (
	authPass = "pass"
	authHMAC = "hmac"
)

// authentication reads the password of version 2, or the keys of an HMAC.
func (b *builder) authentication(n *node, interval time.Duration, p *places) (password string, h *vrrp.HMAC) {
	a := n.one("authentication")
	if a == nil {
		return "", nil
	}
	kind := a.text("type")
	for _, k := range []struct{ name, of string }{
		{"password", authPass}, {"password_file", authPass},
		{"active_key", authHMAC}, {"mode", authHMAC}, {"anti_replay", authHMAC}, {"window", authHMAC},
	} {
		if a.given(k.name) && kind != k.of && kind != "" {
			b.complain(a.at(k.name), "Two kinds of authentication", "%s belongs to type = %q, and an instance has one kind.", k.name, k.of)
		}
	}
	if keys := a.all("key"); len(keys) > 0 && kind == authPass {
		b.complain(keys[0].own(), "Two kinds of authentication", "A key belongs to type = %q, and an instance has one kind.", authHMAC)
	}
	if kind == authHMAC || kind == "" && (len(a.all("key")) > 0 || a.given("active_key")) {
		return "", b.hmac(a, interval, p)
	}
	return b.password(a, p), nil
}

func (b *builder) password(a *node, p *places) string {
	password := b.secret(a, "password")
	if a.given("password_file") {
		p.alias["password"] = "authentication.password_file"
	}
	if password == "" && !a.given("password") && !a.given("password_file") {
		b.complain(a.header, "No password", "Give password or password_file.")
	} else if a.given("password") && password == "" && !a.values["password"].bad {
		b.complain(a.at("password"), "Empty password", "A password has 1 to 8 bytes.")
	}
	return password
}

func (b *builder) hmac(a *node, interval time.Duration, p *places) *vrrp.HMAC {
	h := &vrrp.HMAC{
		ActiveKey: uint8(a.number("active_key")), Mode: vrrp.HMACMode(a.text("mode")), AntiReplay: vrrp.AntiReplay(a.text("anti_replay")),
		Window: a.duration("window"),
	}
	if !a.given("window") {
		h.Window = vrrp.DefaultHMACWindow(interval)
	}
	for i, k := range a.all("key") {
		place := fmt.Sprintf("authentication.key[%d]", i)
		id, err := strconv.ParseUint(k.label(), 10, 8)
		if err != nil || id == 0 {
			b.complain(k.own(), "Not the number of a key", "The label of key is a number from 1 to 255, not %q.", k.label())
			p.spoil(place, "authentication.active_key")
		}
		secret := b.hmacSecret(k)
		if secret == nil {
			p.spoil(place + ".secret")
		}
		h.Keys = append(h.Keys, vrrp.HMACKey{ID: uint8(id), Secret: secret})
	}
	switch {
	case len(h.Keys) == 0:
		p.spoil("authentication.active_key")
	case !a.given("active_key"):
		b.complain(a.header, "No active key", "Say which key signs: active_key = %d.", h.Keys[0].ID)
		p.spoil("authentication.active_key")
	}
	return h
}

// hmacSecret reads the bytes of a key; nil where that is complained of.
func (b *builder) hmacSecret(k *node) vrrp.Secret {
	text, at := b.secret(k, "secret"), "secret"
	if k.given("secret_file") {
		at = "secret_file"
	}
	switch {
	case text == unread:
		return make(vrrp.Secret, vrrp.MinHMACKey)
	case !k.given(at):
		b.complain(k.own(), "No secret", "Give secret = file(\"...\"), secret = credential(\"...\") or secret_file.")
		return nil
	case text == "" && b.bad[k.at(at).String()], k.values[at].bad:
		return nil
	}
	b.keyTexts = append(b.keyTexts, text)
	b.openKey(k, at, at == "secret_file", text)
	secret, problem := readHMACSecret(text)
	if problem != "" {
		b.complain(k.at(at), "Invalid key", "%s.", problem)
		return nil
	}
	return secret
}

// readHMACSecret gives the bytes that a text stands for, or what is wrong with it. Where
// keepalived takes what is surely not meant, it is refused.
func readHMACSecret(text string) (secret vrrp.Secret, problem string) {
	text = strings.TrimRight(text, "\r\n")
	if digits, ok := strings.CutPrefix(text, "hex:"); ok {
		digits = strings.NewReplacer(" ", "", "\t", "").Replace(digits)
		if len(digits)%2 != 0 {
			return nil, fmt.Sprintf("the key has %d hexadecimal digits, an odd number: two make a byte", len(digits))
		}
		secret, err := hex.DecodeString(digits)
		if err != nil {
			return nil, "what follows hex: has characters that are no hexadecimal digits"
		}
		return secret, ""
	}
	switch {
	case strings.HasPrefix(strings.ToLower(text), "hex:"):
		return nil, "write hex: in small letters; in others keepalived takes all of it for text"
	case strings.HasPrefix(text, "file:"):
		return nil, "write secret = file(\"PATH\"); file: within a key is keepalived's way"
	case text != strings.TrimSpace(text):
		return nil, "the key begins or ends with a blank, which keepalived makes part of it: take it out"
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil, "the key has characters that are no printable ASCII: write its bytes as hex: and digits"
	}
	return vrrp.Secret(text), ""
}

// others is the permission of everybody to do anything with a file.
const others fs.FileMode = 0o007

// openKey complains where the file of a key is open to everybody: the one that key names,
// if it is one that names a file. The function file says only what it read, so the file is
// found by that.
func (b *builder) openKey(k *node, key string, names bool, text string) {
	var paths []string
	if names {
		paths = append(paths, resolve(k.dir, k.text(key)))
	}
	for path, content := range b.texts {
		if strings.TrimSpace(content) == strings.TrimSpace(text) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		info, err := files.Stat(b.how.context(), path)
		if err == nil && info.Mode().Perm()&others != 0 {
			b.complain(k.at(key), "Key open to everybody", "%s may be read by others than its owner and group: chmod o= %s", path, filepath.Clean(path))
		}
	}
}
