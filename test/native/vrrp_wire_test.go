package native

import (
	"strings"
	"testing"

	"usher/test/lab/labtest"
)

// Wireshark reads the adverts of a takeover, a contest and a resignation, and has
// nothing to complain about.
func TestAdvertsDecode(t *testing.T) {
	l, a, _ := pair(t)
	labtest.Must(t, a.Stop())
	labtest.Await(t, l.B, "web", "active")
	var out string
	read := []string{"tshark", "-n", "-r", l.Pcap(), "-Y", "vrrp", "-T", "fields", "-E", "separator=;",
		"-e", "ip.src", "-e", "eth.dst", "-e", "ip.dst", "-e", "ip.ttl", "-e", "vrrp.version", "-e", "vrrp.virt_rtr_id", "-e", "vrrp.prio",
		"-e", "vrrp.short_adver_int", "-e", "vrrp.ip_addr", "-e", "vrrp.checksum.status", "-e", "_ws.expert.message"}
	labtest.Must(t, untilOutput(t, l.LAN, "the last advert in the capture", func(text string) bool {
		out = text
		return strings.Contains(text, "192.168.60.3;")
	}, read...))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	seen := make(map[string]int)
	for _, line := range lines {
		seen[line]++
	}
	const common = "01:00:5e:00:00:12;224.0.0.18;255;3;51;"
	const rest = ";100;192.168.60.200;1;" // centiseconds, the VIP, checksum good, no expert's complaint
	for _, want := range []string{
		"192.168.60.2;" + common + "150" + rest,
		"192.168.60.2;" + common + "0" + rest,
		"192.168.60.3;" + common + "100" + rest,
	} {
		if seen[want] == 0 {
			t.Errorf("no advert %q", want)
		}
		delete(seen, want)
	}
	for line, n := range seen {
		t.Errorf("%d adverts not expected: %q", n, line)
	}
}

// Each takeover is announced: a broadcast ARP request for the VIP by the VIP, from
// the interface's own hardware address.
func TestTakeoverIsAnnounced(t *testing.T) {
	l, a, _ := pair(t)
	labtest.Must(t, a.Kill())
	labtest.Await(t, l.B, "web", "active")
	mac := strings.TrimSpace(labtest.Run(t, l.B, "sh", "-c", "ip -o link show eth0 | sed 's/.*ether \\([^ ]*\\).*/\\1/'"))
	filter := "arp.isgratuitous && arp.opcode == 1 && arp.src.proto_ipv4 == 192.168.60.200 && eth.dst == ff:ff:ff:ff:ff:ff && eth.src == " + mac
	labtest.Must(t, untilOutput(t, l.LAN, "gratuitous ARP of b", func(out string) bool { return strings.Count(out, "\n") >= 1 },
		"tshark", "-n", "-r", l.Pcap(), "-Y", filter))
}
