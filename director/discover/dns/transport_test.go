package dns

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"usher/director/discover"
)

func reader(server netip.AddrPort, name string, t *Transport) *Reader {
	return New(discover.Source{Kind: discover.KindDNS, DNS: &discover.DNS{Name: name, Type: "A", Servers: []netip.AddrPort{server}}}, t)
}

// Many questions that go out together each get their own answer, and each has a port and a
// number of its own (RFC 5452), as every later one has.
func TestQuestionsTogether(t *testing.T) {
	const readers, rounds = 40, 3
	var records []string
	for i := range readers {
		records = append(records, fmt.Sprintf("web%d.example. 30 IN A 10.0.0.%d", i, i))
	}
	answer := zone(t, records...)
	var mu sync.Mutex
	ports, numbers := map[string]int{}, map[uint16]int{}
	s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		ports[w.RemoteAddr().String()]++
		numbers[q.Id]++
		mu.Unlock()
		answer(w, q)
	})
	var together Transport
	var wg sync.WaitGroup
	for i := range readers {
		r := reader(s.addr, fmt.Sprintf("web%d.example", i), &together)
		wg.Go(func() {
			for range rounds {
				if a := r.Read(t.Context()); text(a) != fmt.Sprintf("10.0.0.%d:0", i) {
					t.Errorf("web%d: %q %v", i, text(a), a.Failure)
				}
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	// Of 120 draws from 28,000 ports and from 65,536 numbers a few are the same.
	if len(ports) < readers*rounds-10 || len(numbers) < readers*rounds-10 {
		t.Errorf("%d questions from %d ports with %d numbers", readers*rounds, len(ports), len(numbers))
	}
}

// An answer that is the one of before, to the byte, is obeyed with the number of its own
// question alone; another one is read, and so is what follows an empty packet.
func TestAnswerOfBefore(t *testing.T) {
	first, second := zone(t, "web.example. 30 IN A 10.0.0.1"), zone(t, "web.example. 30 IN A 10.0.0.2")
	forge := func(w dns.ResponseWriter, q *dns.Msg) {
		old := q.Copy()
		old.Id++
		first(w, old)
	}
	answers := []func(w dns.ResponseWriter, q *dns.Msg){
		first, first,
		func(w dns.ResponseWriter, q *dns.Msg) { forge(w, q); second(w, q) },
		func(w dns.ResponseWriter, q *dns.Msg) { _, _ = w.Write(nil); first(w, q) },
		func(w dns.ResponseWriter, q *dns.Msg) { _, _ = w.Write([]byte{1}); forge(w, q); first(w, q) },
	}
	next := make(chan func(w dns.ResponseWriter, q *dns.Msg), len(answers)+1)
	for _, a := range append(answers, first) {
		next <- a
	}
	s := newServer(t, func(w dns.ResponseWriter, q *dns.Msg) { (<-next)(w, q) })
	r := reader(s.addr, "web.example", nil)
	for i, want := range []string{"10.0.0.1:0", "10.0.0.1:0", "10.0.0.2:0", "10.0.0.1:0", "10.0.0.1:0"} {
		if a := r.Read(t.Context()); text(a) != want {
			t.Errorf("answer %d: %q %v, expected %q", i, text(a), a.Failure, want)
		}
	}
	before := r.memory.m
	if r.Read(t.Context()); r.memory.m != before {
		t.Error("the same answer was read again")
	}
}

// An address with a zone, as resolv.conf may have it, is asked by its interface.
func TestZoneOfAddress(t *testing.T) {
	for text, bad := range map[string]bool{"[fe80::1%lo]:53": false, "[fe80::1%1]:53": false, "[fe80::1%nothing]:53": true, "[::ffff:192.0.2.1]:53": false} {
		_, to, err := sockaddr(netip.MustParseAddrPort(text))
		if bad != (err != nil) || !bad && to == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
