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
  address        = "10.9.9.9:80"
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
	_, err = n.Start("zebra", append([]string{"/usr/lib/frr/zebra", "-f", write("zebra.conf", "hostname zebra\n"), "-i", dir + "/zebra.pid"}, common...)...)
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "zebra's socket", func() error { return exec.Command("test", "-S", dir+"/zebra.sock").Run() }))
	p, err := n.Start("bfdd", append([]string{"/usr/lib/frr/bfdd", "-f", write("bfdd.conf", conf), "-i", dir + "/bfdd.pid", "--bfdctl", dir + "/bfdd.sock"}, common...)...)
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
	l := suite.New(t, "")
	peer := bfdd(t, l.B, fmt.Sprintf(bfddConf, lab.AddrA))
	check, err := l.A.StartUsher("check", "--json", "-c", labtest.File(t, l.A, "bfd.hcl", fmt.Sprintf(bfdCheck, lab.AddrB)))
	labtest.Must(t, err)
	said := func(words string) error {
		if text := check.Tail(1000); !strings.Contains(text, words) {
			return fmt.Errorf("usher check does not say %q: %s", words, text)
		}
		return nil
	}
	labtest.Must(t, lab.Until(t.Context(), "the session", func() error { return said("bfd: the session with " + lab.AddrB.String() + " is up") }))
	died := time.Now()
	labtest.Must(t, peer.Kill())
	labtest.Must(t, lab.Until(t.Context(), "the end of the session", func() error { return said("nothing heard within the detection time") }))
	t.Logf("bfdd's death was known after at most %s", time.Since(died).Round(time.Millisecond))
}
