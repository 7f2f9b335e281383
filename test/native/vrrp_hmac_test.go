package native

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// keys are the secrets of the suite's keys, by identifier.
var keys = map[byte][]byte{1: []byte("the first secret of two, 32 bytes"), 2: []byte("the other secret of two, 32 bytes")}

// signer makes the trailer of an advert as draft-cassen-vrrp-auth-hmac has it; nothing of
// it is the program's own. The zero value signs well, with key 1, at this moment.
type signer struct {
	id      byte
	scheme  byte
	late    time.Duration // of its clock
	altered bool          // what is sent is not what was signed
	twice   []byte        // the trailer of a first one, to be sent again
}

func (g *signer) tail(msg []byte, src netip.Addr) []byte {
	if g.twice != nil {
		return g.twice
	}
	id, scheme := max(g.id, 1), max(g.scheme, 1)
	now := time.Now().Add(-g.late)
	tail := []byte{scheme, id, 0, 0}
	tail = binary.BigEndian.AppendUint32(tail, uint32(now.Unix()))
	tail = binary.BigEndian.AppendUint32(tail, uint32(uint64(now.Nanosecond())<<16/1e9)<<16)
	h := hmac.New(sha256.New, keys[id])
	head := [20]byte{4, msg[0] >> 4, msg[1]}
	copy(head[4:], src.AsSlice())
	h.Write(head[:])
	body := append([]byte{}, msg...)
	body[6], body[7] = 0, 0
	if g.altered {
		body[2]--
	}
	h.Write(body)
	h.Write(tail)
	h.Write(make([]byte, 16))
	return append(tail, h.Sum(nil)[:16]...)
}

// signing is the authentication block of a mode.
func signing(mode string, active byte, ids ...byte) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "  authentication {\n    type = \"hmac\"\n    mode = %q\n    active_key = %d\n", mode, active)
	for _, id := range ids {
		fmt.Fprintf(b, "    key \"%d\" { secret = \"hex:%s\" }\n", id, hex.EncodeToString(keys[id]))
	}
	return b.String() + "  }\n"
}

// A third host says what it can without the key, and what it has recorded: it is counted
// by its reason and changes nothing. What is signed well is taken.
func TestConformance_HMAC(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, signing("enforce", 1, 1)))
	by := func(g signer) message { return message{tail: g.tail} }
	discards(t, s, []bad{
		{"unsigned", message{}, "hmac_missing"},
		{"27 bytes", message{tail: func(msg []byte, src netip.Addr) []byte { return new(signer).tail(msg, src)[:27] }}, "packet_length_error"},
		{"another scheme", by(signer{scheme: 2}), "hmac_malformed"},
		{"10 s late", by(signer{late: 10 * time.Second}), "hmac_stale"},
		{"10 s early", by(signer{late: -10 * time.Second}), "hmac_stale"},
		{"a key that is not known", by(signer{id: 2}), "hmac_unknown_key"},
		{"altered", by(signer{altered: true}), "hmac_bad"},
	})
	var first signer
	recorded := func(msg []byte, src netip.Addr) []byte {
		if first.twice == nil {
			first.twice = first.tail(msg, src)
		}
		return first.twice
	}
	before := s.status().Statistics
	for range 4 {
		s.say(message{priority: 99, tail: recorded})
	}
	labtest.Must(t, lab.Until(t.Context(), "three of four are replays", func() error {
		if now := s.status().Statistics; now.Discarded["hmac_replay"] != 3 || now.Received != before.Received+1 {
			return fmt.Errorf("%d taken, %v", now.Received-before.Received, now.Discarded)
		}
		return nil
	}))
	s.forget()
	if h := s.nextAdvert(); len(h.msg) != 12+28 || h.msg[12] != 1 || h.msg[13] != 1 || !hmac.Equal(h.msg[12:], verified(h)) {
		t.Errorf("usher's own advert: % x", h.msg)
	}
	s.say(message{priority: 101, tail: new(signer).tail})
	s.await("backup")
}

// verified is the trailer that an advert of usher should have, by its own time.
func verified(h heard) []byte {
	mac := hmac.New(sha256.New, keys[h.msg[13]])
	head := [20]byte{4, h.msg[0] >> 4, h.msg[1]}
	copy(head[4:], h.ip[12:16])
	mac.Write(head[:])
	body := append([]byte{}, h.msg[:12]...)
	body[6], body[7] = 0, 0
	mac.Write(body)
	mac.Write(h.msg[12:24])
	mac.Write(make([]byte, 16))
	return append(append([]byte{}, h.msg[12:24]...), mac.Sum(nil)[:16]...)
}

// A pair is rolled out to signed adverts, has its key changed, and the VRRP process of the
// active director is killed: by reloads nothing moves, and the resignation of the guard
// and the adverts of the next process are heard.
func TestSignedPair(t *testing.T) {
	l, a, _ := pair(t)
	type view struct {
		Instances []struct {
			State       string `json:"state"`
			Transitions int    `json:"transitions"`
			Peers       []struct {
				Address string `json:"address"`
				Key     int    `json:"key"`
			} `json:"peers"`
			Statistics struct {
				Resignations int            `json:"priority_zero_received"`
				Discarded    map[string]int `json:"discarded"`
			} `json:"statistics"`
		} `json:"instances"`
	}
	see := func(n *lab.Node) (v view) {
		t.Helper()
		body, err := n.Control(t.Context(), "/api/v1/status")
		labtest.Must(t, err)
		labtest.Must(t, json.Unmarshal(body, &v))
		return v
	}
	with := func(priority int, block string) string {
		return strings.Replace(fmt.Sprintf(router, priority), "virtual_addresses", block+"  virtual_addresses", 1)
	}
	warns := func(block, want string) { // by what b has heard of a
		t.Helper()
		out, err := l.B.Usher(t.Context(), "plan", "-c", labtest.File(t, l.B, "planned.hcl", with(100, block)))
		if err == nil || !strings.Contains(out, "Warnings\n  ! instance web: "+want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	before := [2]int{see(l.A).Instances[0].Transitions, see(l.B).Instances[0].Transitions}
	for i, step := range []struct {
		block string
		key   int // that b hears a sign with
	}{
		{signing("receive-only", 1, 1), 0}, {signing("permissive", 1, 1), 1}, {signing("enforce", 1, 1), 1},
		{signing("enforce", 1, 1, 2), 1}, {signing("enforce", 2, 1, 2), 2}, {signing("enforce", 2, 2), 2},
	} {
		order := []*lab.Node{l.A, l.B}
		if i%2 == 1 {
			order = []*lab.Node{l.B, l.A}
		}
		for _, n := range order {
			priority := map[*lab.Node]int{l.A: 150, l.B: 100}[n]
			labtest.File(t, n, "usher.hcl", with(priority, step.block))
			_, err := n.Usher(t.Context(), "reload")
			labtest.Must(t, err)
		}
		labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("b hears a sign with key %d", step.key), func() error {
			if p := see(l.B).Instances[0].Peers; len(p) != 1 || p[0].Address != lab.AddrA.String() || p[0].Key != step.key {
				return fmt.Errorf("it hears %+v", p)
			}
			return nil
		}))
		switch i {
		case 0:
			warns(signing("enforce", 1, 1), "192.168.60.2 was heard without an HMAC ")
		case 5:
			warns("", "192.168.60.2 signs its advertisements")
			warns(signing("enforce", 1, 1), "192.168.60.2 signs with key 2, which would not be known any more")
		}
	}
	for i, n := range []*lab.Node{l.A, l.B} {
		if v := see(n).Instances[0]; v.Transitions != before[i] || len(v.Statistics.Discarded) > 0 {
			t.Errorf("%s: %d transitions, %d before; discarded %v", n.Name, v.Transitions, before[i], v.Statistics.Discarded)
		}
	}

	labtest.Must(t, syscall.Kill(child(t, a), syscall.SIGKILL))
	labtest.Must(t, lab.Until(t.Context(), "b has heard the guard's resignation, and a again", func() error {
		v := see(l.B).Instances[0]
		if len(v.Statistics.Discarded) > 0 {
			t.Fatalf("discarded %v", v.Statistics.Discarded)
		}
		if v.Statistics.Resignations == 0 {
			return errors.New("no resignation")
		}
		if s := see(l.A).Instances[0].State; s != "active" || v.State != "backup" {
			return fmt.Errorf("a is %s, b %s", s, v.State)
		}
		return nil
	}))
}
