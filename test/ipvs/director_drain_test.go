package ipvs

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A drained server gets nobody new and keeps those that it has; it leaves the
// table when they are done, and comes back when it is enabled.
func TestDirectorDrain(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"nat", "dr"} {
		t.Run(forward, func(t *testing.T) {
			s := prepared(t, forward)
			text, err := os.ReadFile(s.file)
			labtest.Must(t, err)
			// Without it a client of a persistent service comes back to its server whatever its weight.
			s.file = labtest.File(t, s.A, "usher.hcl", string(text)+"\nglobal {\n  ipvs {\n    expire_quiescent_template = true\n  }\n}\n")
			s.startA(t)
			load := s.download(t)
			busy := s.busyServer(t)
			_, err = s.A.Usher(t.Context(), "drain", "web", busy)
			labtest.Must(t, err)
			labtest.Must(t, lab.Until(t.Context(), busy+" has weight 0", func() error {
				have := destinations(t, s.A, lab.Service.String())
				if want := fmt.Sprintf("%s %s 0", busy, words[forward]); !strings.Contains(strings.Join(have, "\n"), want) {
					return fmt.Errorf("the kernel has %q", have)
				}
				return nil
			}))
			if got := s.answers(t); got[s.nameOf(busy)] != 0 {
				t.Errorf("new clients come to the drained server: %v", got)
			}
			complete(t, load)
			labtest.Must(t, lab.Until(t.Context(), busy+" is out", func() error {
				if have := destinations(t, s.A, lab.Service.String()); len(have) != 2 {
					return fmt.Errorf("the kernel has %q", have)
				}
				return nil
			}))
			_, err = s.A.Usher(t.Context(), "enable", "web", busy)
			labtest.Must(t, err)
			labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))
			s.expectTable(t, s.A)
		})
	}
}

// busyServer gives the real server that has the established connection.
func (s *site) busyServer(t *testing.T) string {
	t.Helper()
	status, err := s.A.Status(t.Context())
	labtest.Must(t, err)
	connections := labtest.Run(t, s.A, "ipvsadm", "-Lnc")
	for _, rs := range status.VirtualServers[0].RealServers {
		for line := range strings.Lines(connections) {
			if strings.Contains(line, "ESTABLISHED") && strings.Contains(line, rs.Address) {
				return rs.Address
			}
		}
	}
	t.Fatalf("no established connection:\n%s", connections)
	return ""
}

// nameOf gives the node of a real server's address.
func (s *site) nameOf(address string) string {
	for i, rip := range s.rips {
		if rip == address {
			return s.Real[i].Name
		}
	}
	return ""
}

// A connection that its client has closed for sending is not gone while the answer is
// under way, though the kernel counts it as inactive.
func TestDirectorDrainHalfClosed(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"nat", "dr"} {
		t.Run(forward, func(t *testing.T) {
			const lines = 20
			l := suite.New(t, forward)
			config := strings.Replace(operatorConfig("60s", map[string]int{"10.1.2.3:8000": 1}), `"nat"`, fmt.Sprintf("%q", forward), 1)
			file := labtest.File(t, l.A, "usher.hcl", config)
			answerSlowly(t, l.Real[0], 8000, lines)
			if forward == "dr" {
				labtest.Must(t, l.Real[0].HoldVIP(t.Context(), file))
			} else {
				labtest.Must(t, l.A.IP(t.Context(), "address", "add", lab.BackVIP.String()+"/32", "dev", "eth1"))
			}
			labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.240/32", "dev", "eth0"))
			labtest.Start(t, l.A, "-c", file)
			var c net.Conn
			labtest.Must(t, l.Client.Do(func() (err error) {
				c, err = net.Dial("tcp", operatorVIP)
				return err
			}))
			defer c.Close()
			labtest.Must(t, c.SetDeadline(time.Now().Add(lab.WaitLimit)))
			labtest.Must(t, c.(*net.TCPConn).CloseWrite())
			answer := bufio.NewScanner(c)
			if !answer.Scan() {
				t.Fatal(answer.Err())
			}
			_, err := l.A.Usher(t.Context(), "drain", "--force", "web", "10.1.2.3:8000")
			labtest.Must(t, err)
			got := 1
			for answer.Scan() {
				got++
			}
			if got != lines {
				t.Errorf("%d lines of %d came, then %v", got, lines, answer.Err())
			}
			labtest.Must(t, lab.Until(t.Context(), "the server is out", func() error {
				if have := destinations(t, l.A, operatorVIP); len(have) != 0 {
					return fmt.Errorf("the kernel has %q", have)
				}
				return nil
			}))
		})
	}
}

// answerSlowly has a real server answer whoever has nothing more to say, by and by.
func answerSlowly(t *testing.T, n *lab.Node, port, lines int) {
	t.Helper()
	labtest.Serve(t, n, port, func(c net.Conn) {
		pace := time.NewTicker(500 * time.Millisecond)
		defer pace.Stop()
		if _, err := io.Copy(io.Discard, c); err != nil {
			return
		}
		for i := range lines {
			<-pace.C
			if _, err := fmt.Fprintln(c, i); err != nil {
				return
			}
		}
	})
}
