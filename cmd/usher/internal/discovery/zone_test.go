package discovery_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zoneTTL is set in the environment of the process that answers for the names.
const zoneTTL = "USHER_BENCH_ZONE_TTL"

func TestMain(m *testing.M) {
	if ttl := os.Getenv(zoneTTL); ttl != "" {
		if err := answerFor(ttl); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// zone is a DNS server of another process.
type zone struct{ addr string }

// startZone starts it; it ends when the benchmark does, or this process.
func startZone(b *testing.B, ttl time.Duration) *zone {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", zoneTTL, int(ttl.Seconds())))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &zone{strings.TrimSpace(addr)}
}

// asked is how often the server was asked so far.
func (z *zone) asked(b *testing.B) int {
	m, err := dns.Exchange(new(dns.Msg).SetQuestion("asked.", dns.TypeTXT), z.addr)
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(m.Answer[0].(*dns.TXT).Txt[0])
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// names answers for poolN.example: addresses of which one is exchanged each second, in
// one pool after the other.
type names struct {
	mu     sync.Mutex
	begin  time.Time
	moved  int        // seconds so far
	shift  [pools]int // how many were exchanged
	counts int
	ttl    uint32
}

// answerFor serves until standard input ends, and tells its address.
func answerFor(ttl string) error {
	seconds, err := strconv.ParseUint(ttl, 10, 32)
	if err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &dns.Server{PacketConn: conn, Handler: &names{begin: time.Now(), ttl: uint32(seconds)}}
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		_ = s.Shutdown()
	}()
	fmt.Println(conn.LocalAddr())
	return s.ActivateAndServe()
}

func (n *names) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name := q.Question[0].Name
	h := dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: n.ttl}
	n.mu.Lock()
	for ; n.moved < int(time.Since(n.begin).Seconds()); n.moved++ {
		n.shift[n.moved*7%pools]++
	}
	var at int
	switch _, err := fmt.Sscanf(name, "pool%d.example.", &at); {
	case name == "asked.":
		h.Rrtype = dns.TypeTXT
		m.Answer = append(m.Answer, &dns.TXT{Hdr: h, Txt: []string{strconv.Itoa(n.counts)}})
	case err != nil || at >= pools:
		m.Rcode = dns.RcodeNameError
	default:
		n.counts++
		for i := range size {
			m.Answer = append(m.Answer, &dns.A{Hdr: h, A: net.IPv4(10, byte(at>>8), byte(at), byte(1+i+n.shift[at]))})
		}
	}
	n.mu.Unlock()
	_ = w.WriteMsg(m)
}
