package apitest

import (
	"net"
	"net/http"
)

// Serve has a server answer on a listener until stop, which returns when it has ended.
func Serve(server *http.Server, l net.Listener) (stop func()) {
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // it ends by stop alone
	}()
	return func() {
		_ = server.Close()
		<-served
	}
}
