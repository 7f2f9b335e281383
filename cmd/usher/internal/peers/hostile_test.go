package peers_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// sealed encrypts as members do.
func sealed(t testing.TB, key, text, with []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	box := make([]byte, 13)
	box[0] = 1
	crand.Read(box[1:])
	return gcm.Seal(box, box[1:13], text, with)
}

// onStream is an encrypted message of a connection.
func onStream(t testing.TB, key, text []byte) []byte {
	head := []byte{10, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[1:], uint32(29+len(text)))
	return append(bytes.Clone(head), sealed(t, key, text, head)...)
}

// packed is a message of memberlist: its kind, and a value.
func packed(t testing.TB, kind byte, v any) []byte {
	var b bytes.Buffer
	b.WriteByte(kind)
	if err := codec.NewEncoder(&b, &codec.MsgpackHandle{}).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// alive is a word about a new member.
func alive(t testing.TB, name string, i int) []byte {
	return packed(t, 4, map[string]any{"Incarnation": 1, "Node": name, "Addr": []byte{192, 0, 2, byte(100 + i%50)}, "Port": 7946, "Vsn": []byte{1, 5, 2, 0, 0, 0}})
}

// stranger is where what no director sends comes from.
var stranger = netip.MustParseAddrPort("198.51.100.7:9")

// connect opens a connection and writes; it gives what comes back, until it is closed.
func (w *world) connect(from netip.Addr, to netip.AddrPort, text []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := w.net.Dial(ctx, from, to)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(4 * time.Second))
	if _, err := c.Write(text); err != nil {
		return
	}
	_, _ = c.Read(make([]byte, 4096))
}

// TestRefused: what is no message of a member is refused by its reason, and changes nothing.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		defer func() { stop(all...) }()
		seen := func() map[string]uint64 { return all[0].node.View().Refused }
		before, start := all[0].node.View(), map[string]uint64{}
		now := time.Now()
		said := share.Message{Header: share.Header{Kind: share.KindSay, From: "lb7"}, Entries: []share.Held{{Entry: share.Entry{
			Key: server(1), Stamp: share.Stamp{Wall: now.Add(25 * time.Hour).UnixMilli(), Origin: "lb7"}, Override: director.Override{Mode: director.OverrideDrain, Since: now},
		}}}}.Encode(now)
		for _, c := range []struct {
			name, reason string
			packet       []byte
			stream       []byte
		}{
			{name: "noise", reason: "key", packet: []byte("hello, is anybody there?")},
			{name: "one byte", reason: "key", packet: []byte{1}},
			{name: "another key", reason: "key", packet: sealed(t, otherKey, alive(t, "lb7", 1), nil)},
			{name: "no key", reason: "key", packet: alive(t, "lb7", 1)},
			{name: "without content", reason: "malformed", packet: sealed(t, testKey, nil, nil)},
			{name: "compressed", reason: "malformed", packet: sealed(t, testKey, packed(t, 9, map[string]any{"Algo": 0, "Buf": []byte("x")}), nil)},
			{name: "nested", reason: "malformed", packet: sealed(t, testKey, []byte{7, 1, 0, 2, 7, 0}, nil)},
			{name: "cut off", reason: "malformed", packet: sealed(t, testKey, []byte{7, 200, 0, 2}, nil)},
			{name: "too long", reason: "giant", packet: make([]byte, 3000)},
			{name: "no message of ours", reason: "invalid", packet: sealed(t, testKey, []byte("\x08hello"), nil)},
			{name: "a clock of tomorrow", reason: "future", packet: sealed(t, testKey, append([]byte{8}, said...), nil)},
			{name: "an open connection", reason: "key", stream: []byte("GET / HTTP/1.1\r\n\r\n")},
			{name: "a connection with another key", reason: "key", stream: onStream(t, otherKey, packed(t, 0, map[string]any{"SeqNo": 1}))},
			{name: "a connection without content", reason: "malformed", stream: onStream(t, testKey, nil)},
			{name: "a compressed connection", reason: "malformed", stream: onStream(t, testKey, packed(t, 9, map[string]any{"Algo": 0, "Buf": []byte("x")}))},
			{name: "a giant claim", reason: "giant", stream: []byte{10, 0xff, 0xff, 0xff, 0xff, 1}},
			{name: "a million nodes", reason: "giant", stream: onStream(t, testKey, packed(t, 6, map[string]any{"Nodes": 1 << 20}))},
			{name: "a giant state", reason: "giant", stream: onStream(t, testKey, packed(t, 6, map[string]any{"UserStateLen": 19 << 20}))},
			{name: "a giant message", reason: "giant", stream: onStream(t, testKey, packed(t, 8, map[string]any{"UserMsgLen": 19 << 20}))},
			{name: "a negative one", reason: "malformed", stream: onStream(t, testKey, packed(t, 8, map[string]any{"UserMsgLen": -1}))},
		} {
			was := seen()[c.reason]
			if c.packet != nil {
				w.net.Send(stranger, all[0].address, c.packet)
			} else {
				w.connect(stranger.Addr(), all[0].address, c.stream)
			}
			time.Sleep(10 * time.Millisecond)
			if got := seen()[c.reason]; got != was+1 {
				t.Errorf("%s: %v are refused for %q, were %d", c.name, seen(), c.reason, was)
			}
			start[c.reason]++
		}
		if v := all[0].node.View(); len(v.Members) != len(before.Members) || v.Entries != 0 || v.LastRefused.From.Addr() != stranger.Addr() {
			t.Errorf("something has changed: %+v", v)
		}
		if d := all[1].say(server(1), drain); len(d.Have) != 1 {
			t.Errorf("%q", d.Text())
		}
	})
}

// TestFlood: whoever has the key and uses it badly costs a bounded share of memory, makes
// the group no larger than it can be, and keeps nobody from anything.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		defer func() { stop(all...) }()
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		r := rand.New(rand.NewPCG(1, 2))
		now := time.Now()
		for i := range 3500 {
			text := alive(t, fmt.Sprintf("x%d %s", i, bytes.Repeat([]byte("x"), 100)), i)
			switch i % 4 {
			case 1: // anything
				text = make([]byte, 2+r.IntN(400))
				crandom(r, text)
				text[0] = byte(r.IntN(16))
			case 2: // an override of a server that nobody has
				k := server(0)
				k.VirtualServer = fmt.Sprint("vs", i)
				text = append([]byte{8}, share.Message{Header: share.Header{Kind: share.KindSay, From: fmt.Sprint("x", i), ID: 7}, Entries: []share.Held{{Entry: share.Entry{
					Key: k, Stamp: share.Stamp{Wall: now.Add(23 * time.Hour).UnixMilli(), Count: uint32(i), Origin: "x"}, Override: director.Override{Mode: director.OverrideDrain, Since: now},
				}}}}.Encode(now)...)
			case 3: // to be asked to ask others
				text = packed(t, 1, map[string]any{"SeqNo": i, "Target": []byte{192, 0, 2, 99}, "Port": 9, "Node": "x", "Nack": true})
			}
			w.net.Send(netip.AddrPortFrom(stranger.Addr(), uint16(i+1)), all[0].address, sealed(t, testKey, text, nil))
			if i%40 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		// Connections that are opened and left alone, of strangers and from the address of a member.
		var left []net.Conn
		for i := range 60 {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			from := stranger.Addr()
			if i%2 == 0 {
				from = all[1].address.Addr()
			}
			if c, err := w.net.Dial(ctx, from, all[0].address); err == nil {
				left = append(left, c)
				go c.Write([]byte{10, 0, 0x5f, 0xff, 0xff}) // and nothing of it
			}
			cancel()
		}
		d := all[0].say(server(1), drain)
		if len(d.Have) == 0 || d.Have[0] != "lb1" {
			t.Errorf("during the flood: %+v", d)
		}
		v := all[0].node.View()
		if len(v.Members) >= share.MaxMembers || v.Entries > share.MaxEntries || v.Refused["flood"] == 0 || v.Refused["busy"] == 0 {
			t.Errorf("%d members, %d entries, refused %v", len(v.Members), v.Entries, v.Refused)
		}
		if grown := heap() - before; grown > 24<<20 {
			t.Errorf("%d MB more are in use", grown>>20)
		}
		time.Sleep(5 * time.Second)
		for _, c := range left {
			c.Close()
		}
		if d := all[1].say(server(2), drain); len(d.Have) == 0 {
			t.Errorf("after the flood: %+v", d)
		}
		if all[0].mode(server(2)) != director.OverrideDrain {
			t.Error("after the flood nothing is heard")
		}
	})
}

// TestGiantStates: of those who have the key only so many bytes a second are taken on
// connections, whatever they open.
func TestGiantStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		defer func() { stop(all...) }()
		giant := onStream(t, testKey, append(packed(t, 8, map[string]any{"UserMsgLen": 2 << 20}), make([]byte, 2<<20)...))
		for range 12 {
			w.connect(all[1].address.Addr(), all[0].address, giant)
		}
		v := all[0].node.View()
		if v.Refused["invalid"] < 5 || v.Refused["flood"] < 3 || v.Refused["invalid"]+v.Refused["flood"] != 12 {
			t.Errorf("refused %v", v.Refused)
		}
		if d := all[1].say(server(1), drain); len(d.Have) != 1 {
			t.Logf("during the flood: %q", d.Text())
		}
		time.Sleep(10 * time.Second)
		if all[0].mode(server(1)) != director.OverrideDrain {
			t.Error("after the flood what was said is not there")
		}
	})
}

func crandom(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// FuzzGuard: whatever is encrypted with the key, nothing that gets past the guard ends the
// process, on packets and on connections.
func FuzzGuard(f *testing.F) {
	f.Add([]byte{7, 1, 0, 2, 0, 0x80}, false)
	f.Add(packed(f, 6, map[string]any{"Nodes": 3, "UserStateLen": 2}), true)
	f.Add(packed(f, 8, map[string]any{"UserMsgLen": 2}), true)
	f.Add(alive(f, "x", 1), false)
	f.Fuzz(func(t *testing.T, text []byte, stream bool) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			o := w.start(0, &peers.Config{Name: "lb0", Listen: address(0), Key: testKey})
			time.Sleep(time.Second)
			if stream {
				w.connect(stranger.Addr(), o.address, onStream(t, testKey, text))
			} else if len(text) < 1900 {
				w.net.Send(stranger, o.address, sealed(t, testKey, text, nil))
			}
			time.Sleep(100 * time.Millisecond)
			stop(o)
		})
	})
}
