package native

import (
	"fmt"
	"os"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

var suite labtest.Suite

func TestMain(m *testing.M) {
	if socket := os.Getenv(speakerSocket); socket != "" {
		os.Exit(speakBGP(socket)) // a node's BGP speaker, which a test started
	}
	os.Exit(labtest.Native(m, &suite))
}

// router is one VRRP router of VRID 51 with the lab's VIP and nothing else.
const router = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = %d
  virtual_addresses = ["192.168.60.200/32"]
}
`

// run starts a router of that priority on a node.
func run(t *testing.T, n *lab.Node, priority int) *lab.Process {
	t.Helper()
	return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fmt.Sprintf(router, priority)))
}
