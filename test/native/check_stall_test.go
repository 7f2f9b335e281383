package native

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// thought is how long the servers of the stalled checker think before they answer:
// long enough that a probe is nearly always under way, and a quarter of its timeout.
const thought = 100 * time.Millisecond

// thoughtful are checks whose probes begin again as soon as they end. The second of
// http is for net/http.
const thoughtful = `
global {
  http = ""
}
virtual_server "tcp" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  health_check "tcp" {
    interval = "110ms"
    timeout  = "400ms"
    fall     = 1
    rise     = 1
    send     = "hello\n"
    expect   = "hello"
  }
  real_server "192.168.60.3:7" {}
}
virtual_server "http" {
  address        = "192.0.2.2:80"
  forward_method = "nat"
  health_check "http" {
    interval = "110ms"
    timeout  = "400ms"
    fall     = 1
    rise     = 1
  }
  real_server "192.168.60.3:80" {}
}
virtual_server "client" {
  address        = "192.0.2.3:80"
  forward_method = "nat"
  health_check "http" {
    interval         = "110ms"
    timeout          = "400ms"
    fall             = 1
    rise             = 1
    follow_redirects = true
  }
  real_server "192.168.60.3:80" {}
}
virtual_server "dns" {
  address        = "192.0.2.4:53"
  forward_method = "nat"
  protocol       = "udp"
  health_check "dns" {
    interval = "110ms"
    timeout  = "400ms"
    fall     = 1
    rise     = 1
    question = "example.org"
    type     = "A"
  }
  real_server "192.168.60.3:53" {}
}
`

// think starts the servers of thoughtful on a node, and gives what ends them.
func think(t *testing.T, n *lab.Node) (end func()) {
	t.Helper()
	var echo, web net.Listener
	var questions net.PacketConn
	labtest.Must(t, n.Do(func() (err error) {
		if echo, err = net.Listen("tcp4", ":7"); err != nil {
			return err
		}
		if web, err = net.Listen("tcp4", ":80"); err != nil {
			return err
		}
		questions, err = net.ListenPacket("udp4", ":53")
		return err
	}))
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					<-time.After(thought)
					fmt.Fprint(c, line)
				}
			}()
		}
	}()
	pages := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(thought) })}
	go pages.Serve(web) //nolint:errcheck // it ends with the test
	names := &dns.Server{PacketConn: questions, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		<-time.After(thought)
		w.WriteMsg(new(dns.Msg).SetReply(q)) //nolint:errcheck // who asked asks again
	})}
	go names.ActivateAndServe() //nolint:errcheck // it ends with the test
	end = func() {
		echo.Close()
		pages.Close()
		questions.Close()
	}
	t.Cleanup(end)
	return end
}

// TestStallInMidProbe: stalls a little longer than the timeout, which begin while the
// probes wait for their answers, take no server down; a death is found as before.
func TestStallInMidProbe(t *testing.T) {
	l := suite.New(t, "")
	end := think(t, l.B)
	check := startCheck(t, l.A, "thoughtful.hcl", thoughtful)
	names := []string{"tcp", "http", "client", "dns"}
	awaitAll := func(state string) {
		t.Helper()
		labtest.Must(t, lab.Until(t.Context(), "all are "+state, func() error {
			last := map[string]string{}
			for _, v := range verdicts(t, check) {
				last[v.Virtual] = v.State
			}
			for _, name := range names {
				if last[name] != state {
					return fmt.Errorf("%s is %s", name, last[name])
				}
			}
			return nil
		}))
	}
	awaitAll("up")
	before := len(verdicts(t, check))
	for i := range 12 {
		labtest.Must(t, check.Signal(syscall.SIGSTOP))
		<-time.After(410*time.Millisecond + time.Duration(i)*15*time.Millisecond)
		labtest.Must(t, check.Signal(syscall.SIGCONT))
		<-time.After(200*time.Millisecond + time.Duration(i)*7*time.Millisecond) // some probes more
	}
	for _, v := range verdicts(t, check)[before:] {
		t.Errorf("a server that is well was taken down or came back: %+v", v)
	}
	end()
	awaitAll("down")
	if log := check.Tail(1000); strings.Contains(log, "panic") {
		t.Error(log)
	}
}
