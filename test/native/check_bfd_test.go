package native

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

const bfdCheck = `
global {
  http = ""
}
virtual_server "v" {
  address        = "%s:80"
  forward_method = "nat"
  health_check "bfd" {
    interface  = "eth0"
    min_tx     = "50ms"
    min_rx     = "50ms"
    multiplier = 3
  }
  real_server "%s:80" {}
}
`

const bfddConf = `
bfd
 peer %s interface eth0
  detect-multiplier 3
  receive-interval 50
  transmit-interval 50
  no shutdown
 exit
exit
`

// frr runs one of FRR's programs on a /var/tmp of its own, where it leaves its log.
const frr = `mount -t tmpfs frr /var/tmp && exec "/usr/lib/frr/$0" "$@"`

// bfdd starts FRR's zebra and bfdd on a node, and returns bfdd.
func bfdd(t *testing.T, n *lab.Node, conf string) *lab.Process {
	t.Helper()
	dir := openDir(t)
	out, err := exec.Command("chown", "frr:frr", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	write := func(name, text string) string {
		path := dir + "/" + name
		labtest.Must(t, writeAs("frr", path, text))
		return path
	}
	common := []string{"-z", dir + "/zebra.sock", "--vty_socket", dir, "-u", "frr", "-g", "frr"}
	_, err = n.Start("zebra", append([]string{"unshare", "-m", "sh", "-c", frr, "zebra", "-f", write("zebra.conf", "hostname zebra\n"), "-i", dir + "/zebra.pid"}, common...)...)
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "zebra's socket", func() error { return exec.Command("test", "-S", dir+"/zebra.sock").Run() }))
	p, err := n.Start("bfdd", append([]string{"unshare", "-m", "sh", "-c", frr, "bfdd", "-f", write("bfdd.conf", conf), "-i", dir + "/bfdd.pid", "--bfdctl", dir + "/bfdd.sock"}, common...)...)
	labtest.Must(t, err)
	return p
}

// writeAs writes a file that a user owns.
func writeAs(user, path, text string) error {
	cmd := exec.Command("install", "-o", user, "-m", "600", "/dev/stdin", path)
	cmd.Stdin = strings.NewReader(text)
	return cmd.Run()
}

// TestBFDWithFRR: a session of 3 x 50 ms with FRR's bfdd comes up, stays up, and finds
// within the detection time, and the time of a busy machine, that bfdd was killed.
func TestBFDWithFRR(t *testing.T) {
	for _, c := range []struct{ name, ours, theirs, service, server string }{
		{"IPv4", lab.AddrA.String(), lab.AddrB.String(), "10.9.9.9", lab.AddrB.String()},
		{"IPv6", "fd00:60::2 local-address fd00:60::3", "fd00:60::3", "[fd00:99::9]", "[fd00:60::3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := suite.New(t, "")
			peer := bfdd(t, l.B, fmt.Sprintf(bfddConf, c.ours))
			check := startCheck(t, l.A, "bfd.hcl", fmt.Sprintf(bfdCheck, c.service, c.server))
			awaitSaid(t, check, "bfd: the session with "+c.theirs+" is up")
			died := time.Now()
			labtest.Must(t, peer.Kill())
			awaitSaid(t, check, "nothing heard within the detection time")
			t.Logf("bfdd's death was known after at most %s", time.Since(died).Round(time.Millisecond))
		})
	}
}

// startCheck runs the checks of a configuration on a node.
func startCheck(t *testing.T, n *lab.Node, name, text string) *lab.Process {
	t.Helper()
	p, err := n.StartUsher("check", "--json", "-c", labtest.File(t, n, name, text))
	labtest.Must(t, err)
	return p
}

// awaitSaid awaits that a check's process has said something.
func awaitSaid(t *testing.T, p *lab.Process, words string) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("usher check says %q", words), func() error {
		if text := p.Tail(1000); !strings.Contains(text, words) {
			return fmt.Errorf("it says %s", text)
		}
		return nil
	}))
}

const neighbourBFD = `
  track_bfd "core" {}
}
bfd "core" {
  address   = "fe80::3"
  source    = "fe80::2"
  interface = "side"
  min_tx    = "50ms"
  min_rx    = "50ms"
`

// TestTrackBFDOnAnInterface: a neighbour with nothing but a link-local address is
// found on the interface that is given, whenever that is there.
func TestTrackBFDOnAnInterface(t *testing.T) {
	l := suite.New(t, "")
	start(t, l.A, 150, neighbourBFD)
	labtest.Await(t, l.A, "web", "fault")
	labtest.Run(t, l.B, "ip", "addr", "add", "fe80::3/64", "dev", "eth0", "nodad")
	text := strings.Replace(fmt.Sprintf(bfdCheck, "[fd00:99::9]", "[fd00:60::2]"), "interface  =", "address = \"fe80::2\"\n    source = \"fe80::3\"\n    interface  =", 1)
	startCheck(t, l.B, "bfd.hcl", text)
	for range 2 {
		labtest.Run(t, l.A, "ip", "link", "add", "link", "eth0", "name", "side", "type", "macvlan", "mode", "bridge")
		labtest.Run(t, l.A, "ip", "addr", "add", "fe80::2/64", "dev", "side", "nodad")
		labtest.Run(t, l.A, "ip", "link", "set", "side", "up")
		labtest.Await(t, l.A, "web", "active")
		labtest.Run(t, l.A, "ip", "link", "del", "side")
		labtest.Await(t, l.A, "web", "fault")
	}
}

const trackedBFD = `
  track_bfd "core" {}
}
bfd "core" {
  address    = "fd00:60::3"
  min_tx     = "50ms"
  min_rx     = "50ms"
  multiplier = 3
`

// TestTrackBFD: an instance waits for its BFD neighbour, over IPv6 with 50 ms
// intervals, and gives its address up when that is killed: the session of another
// usher's health check, and FRR's bfdd.
func TestTrackBFD(t *testing.T) {
	for name, neighbour := range map[string]func(*testing.T, *lab.Lab) *lab.Process{
		"usher": func(t *testing.T, l *lab.Lab) *lab.Process {
			p := startCheck(t, l.B, "bfd.hcl", fmt.Sprintf(bfdCheck, "[fd00:99::9]", "[fd00:60::2]"))
			awaitSaid(t, p, "bfd: the session with fd00:60::2 is up")
			return p
		},
		"FRR": func(t *testing.T, l *lab.Lab) *lab.Process {
			return bfdd(t, l.B, fmt.Sprintf(bfddConf, "fd00:60::2 local-address fd00:60::3"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := suite.New(t, "")
			start(t, l.A, 150, trackedBFD)
			labtest.Await(t, l.A, "web", "fault")
			peer := neighbour(t, l)
			labtest.Await(t, l.A, "web", "active")
			labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
			died := time.Now()
			labtest.Must(t, peer.Kill())
			labtest.Await(t, l.A, "web", "fault")
			t.Logf("the neighbour's death held the instance after at most %s", time.Since(died).Round(time.Millisecond))
			labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
		})
	}
}
