package labtest

import (
	"fmt"
	"net"
	"testing"

	"usher/test/lab"
)

// Serve has a node answer on a TCP port of every address it has, IPv4 and IPv6, until
// the test ends: answer gets each connection in a goroutine of its own, and need not
// close it.
func Serve(t *testing.T, n *lab.Node, port int, answer func(net.Conn)) {
	t.Helper()
	var l net.Listener
	Must(t, n.Do(func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	}))
	ended := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
}
