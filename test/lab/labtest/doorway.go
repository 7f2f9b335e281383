package labtest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"usher/test/lab"
)

// Doorway makes the status page of a node's usher reachable from this machine, and
// returns its address.
func Doorway(t *testing.T, n *lab.Node) string {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:9765"}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1                    // each server-sent event at once
	proxy.ErrorLog = log.New(io.Discard, "", 0) // streams end with the daemon
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
		doErr := n.Do(func() error {
			var d net.Dialer
			c, err = d.DialContext(ctx, network, address)
			return err
		})
		return c, doErr
	}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL
}
