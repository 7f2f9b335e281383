package lab_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

var suite labtest.Suite

func TestMain(m *testing.M) { os.Exit(labtest.Native(m, &suite)) }

// A lab that lies about its network makes every test on it worthless.
func TestTopology(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"nat", "dr"} {
		t.Run(forward, func(t *testing.T) {
			l := suite.New(t, forward)
			if _, err := l.Webs(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i, rs := range l.Real {
				answer := labtest.Run(t, l.A, "curl", "-sS", "--max-time", "5", "http://"+lab.RIPs[i].String()+"/")
				if answer != rs.Name+"\n" {
					t.Errorf("director a gets %q from %s", answer, rs.Name)
				}
			}
			if err := l.Client.Dial(t.Context(), "10.1.2.3:80"); err == nil {
				t.Error("the client reaches the back network without a director")
			}
			if held, err := l.Real[0].Holds(lab.VIP.String()); err != nil || held != (forward == "dr") {
				t.Errorf("real server holding the VIP: %t, %v", held, err)
			}
		})
	}
}

// keepalived as both routers: the network carries VRRP, and a cut separates.
func TestPeersAndCut(t *testing.T) {
	l := suite.New(t, "")
	if _, err := l.A.Keepalived(150); err != nil {
		t.Fatal(err)
	}
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	if _, err := l.B.Keepalived(100); err != nil {
		t.Fatal(err)
	}
	labtest.Must(t, l.Cut(l.A, "eth0"))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
	labtest.Must(t, l.Mend(l.A, "eth0"))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
}

func TestCloseLeavesNothing(t *testing.T) {
	l, err := lab.New(t.Context(), t.TempDir(), lab.Options{Forward: "nat"})
	labtest.Must(t, err)
	webs, err := l.Webs(t.Context())
	labtest.Must(t, err)
	// A process that left its parent's group is not forgotten either.
	stray, err := l.A.Start("stray", "setsid", "--fork", "sleep", "1000")
	labtest.Must(t, err)
	<-stray.Done()
	labtest.Must(t, l.Close())
	for _, p := range webs {
		select {
		case <-p.Done():
		default:
			t.Errorf("%s still runs", p.Name)
		}
	}
	names, err := os.ReadDir("/run/netns")
	labtest.Must(t, err)
	for _, n := range names {
		if strings.HasPrefix(n.Name(), fmt.Sprintf("lab-%d-", os.Getpid())) {
			t.Errorf("namespace %s is left", n.Name())
		}
	}
	if _, err := os.Stat(l.Dir); !os.IsNotExist(err) {
		t.Errorf("folder is left: %v", err)
	}
}
