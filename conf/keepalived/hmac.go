package keepalived

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"usher/vrrp"
)

// hmac translates auth_hmac. Where keepalived switches its authentication off for an
// error (it then sends without, accepts what is not signed and discards what is), it is
// left out with a warning: usher refuses such a configuration.
func (t *translator) hmac(c *directive, b *out, s instanceState) {
	off := func(d *directive, why string) {
		t.warn(d, why+": keepalived switches its authentication off then, and so does the import; put it right before others sign")
	}
	keys, order := map[int]string{}, []*directive{}
	var active, mode, replay, window *directive
	for _, d := range c.body {
		switch d.name() {
		case "key":
			id, ok := t.integer(d, d.arg(0))
			switch _, twice := keys[id]; {
			case !ok:
			case id < 1 || id > 255:
				t.warn(d, "the number of a key is 1 to 255")
			case twice:
				t.warn(d, fmt.Sprintf("there is a key %d already, which keepalived keeps", id))
			default:
				keys[id] = strings.Join(d.args()[1:], " ")
				order = append(order, d)
			}
		case "active_key":
			active = d
		case "mode":
			mode = d
		case "anti_replay":
			replay = d
		case "time_window":
			window = d
		default:
			t.unknown(d, nil)
		}
	}
	if active == nil {
		off(c, "there is no active_key")
		return
	}
	id, _ := strconv.Atoi(active.arg(0))
	text, known := keys[id]
	switch {
	case !known:
		off(active, "there is no such key")
		return
	case !fits(text):
		off(active, "its key has not 32 to 64 bytes")
		return
	}
	a := b.open("authentication", c)
	a.text("type", "hmac", c)
	a.number("active_key", id, active)
	t.hmacMode(mode, a, s)
	if replay != nil {
		a.text("anti_replay", replay.arg(0), replay)
	}
	if window != nil {
		if v, ok := t.seconds(window, window.arg(0)); ok {
			a.text("window", v, window)
		}
	}
	for _, d := range order {
		text := keys[must(d.arg(0))]
		if !fits(text) {
			t.warn(d, "it has not 32 to 64 bytes: keepalived passes it over, and so does the import")
			continue
		}
		t.hmacKey(d, text, a.open("key", d, strconv.Itoa(must(d.arg(0)))))
	}
}

// must is a number that was read before.
func must(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// hmacMode is the mode that is in force: strict ones enforce.
func (t *translator) hmacMode(mode *directive, a *out, s instanceState) {
	switch {
	case mode != nil && t.isStrict(s.d) && mode.arg(0) != "enforce":
		t.warn(mode, "with vrrp_strict or strict_mode keepalived enforces, and so does the import")
	case mode != nil:
		a.text("mode", mode.arg(0), mode)
	}
}

// hmacKey writes a key as usher wants it, with the same bytes.
func (t *translator) hmacKey(d *directive, text string, k *out) {
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		k.text("secret_file", path, d)
		return
	}
	digits, isHex := strings.CutPrefix(text, "hex:")
	plain := bytesOf(text)
	switch {
	case isHex && len(strings.ReplaceAll(digits, " ", ""))%2 == 1:
		t.warn(d, "an odd number of digits, of which keepalived takes the last one for a byte: the same bytes are written")
		text = "hex:" + hex.EncodeToString(plain)
	case isHex:
	case strings.HasPrefix(strings.ToLower(text), "hex:"):
		t.warn(d, "keepalived takes HEX: in capitals for text; the same bytes are written")
		text = "hex:" + hex.EncodeToString(plain)
	case text != strings.TrimSpace(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		text = "hex:" + hex.EncodeToString(plain)
	}
	k.text("secret", text, d)
}

// fits says whether a key has as many bytes as it must, as far as the text says.
func fits(text string) bool {
	if strings.HasPrefix(text, "file:") {
		return len(text) > len("file:")
	}
	n := len(bytesOf(text))
	return n >= vrrp.MinHMACKey && n <= vrrp.MaxHMACKey
}

// bytesOf are the bytes that keepalived makes of a key; none where it makes none. The last
// of an odd number of digits alone becomes a byte.
func bytesOf(text string) []byte {
	digits, ok := strings.CutPrefix(text, "hex:")
	if !ok {
		return []byte(text)
	}
	all := []byte(strings.NewReplacer(" ", "", "\t", "").Replace(digits))
	if len(all)%2 == 1 {
		all = slices.Insert(all, len(all)-1, '0')
	}
	b, err := hex.DecodeString(string(all))
	if err != nil {
		return nil
	}
	return b
}
