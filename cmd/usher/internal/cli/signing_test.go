package cli_test

import (
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
)

// TestStatusOfSigning: the table says who signs, with which key, and who does not.
func TestStatusOfSigning(t *testing.T) {
	at := time.Now().Add(-3 * time.Second)
	socket, _ := daemon(t, api.Status{RouterID: "lb1", Instances: []api.Instance{
		{Name: "web", State: "backup", Since: at, HMAC: &api.HMAC{Mode: "permissive", ActiveKey: 1},
			Peers: []api.Peer{{Address: "192.0.2.3", Key: 2, SignedAt: &at}, {Address: "192.0.2.4", UnsignedAt: &at}}},
		{Name: "plain", State: "backup", Since: at, Peers: []api.Peer{{Address: "192.0.2.5", UnsignedAt: &at}}},
	}})
	_, out, _ := usher(t, "status", "--control", socket)
	if !strings.Contains(out, "\n  hmac permissive, key 1; 192.0.2.3 heard signed with key 2 3s ago; 192.0.2.4 heard unsigned 3s ago\n") || strings.Contains(out, "192.0.2.5") {
		t.Error(out)
	}
}
