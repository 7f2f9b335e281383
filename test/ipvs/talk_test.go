package ipvs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// talkPause is between two requests on one connection.
const talkPause = 50 * time.Millisecond

// talk asks again and again on one connection through the service, until stop is
// called: that gives the answers, the longest time between two, and what ended
// the connection before, if anything did.
func (s *site) talk(t *testing.T) (stop func() (answers int, pause time.Duration, err error)) {
	t.Helper()
	var c net.Conn
	labtest.Must(t, s.Client.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", lab.Service.String(), lab.WaitLimit)
		return err
	}))
	ctx, cancel := context.WithCancel(t.Context())
	first, done := make(chan struct{}), make(chan struct{})
	var answers int
	var pause time.Duration
	var failed error
	go func() {
		defer close(done)
		defer c.Close()
		r := bufio.NewReader(c)
		for last := time.Now(); ctx.Err() == nil; {
			if failed = exchange(c, r); failed != nil {
				break
			}
			if answers++; answers == 1 {
				close(first)
			}
			pause, last = max(pause, time.Since(last)), time.Now()
			select {
			case <-time.After(talkPause):
			case <-ctx.Done():
			}
		}
		if answers == 0 {
			close(first)
		}
	}()
	<-first
	return func() (int, time.Duration, error) {
		cancel()
		<-done
		return answers, pause, failed
	}
}

// exchange makes one request on a connection that goes on.
func exchange(c net.Conn, r *bufio.Reader) error {
	if err := c.SetDeadline(time.Now().Add(lab.WaitLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answer %s", resp.Status)
	}
	return nil
}

// page asks for a page on an open connection and reads the answer.
func page(c net.Conn) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	return err
}
