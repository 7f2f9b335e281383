package ipvs

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvs/genl"
	"usher/director/ipvstest"
	"usher/test/lab"
)

// The real kernel fulfils what the double promises.
func TestKernelContract(t *testing.T) {
	l := suite.New(t, "")
	ipvstest.Contract(t, func(t *testing.T) director.Kernel { return open(t, l.A) })
	ipvstest.SecondHand(t, func(t *testing.T) (director.Kernel, *moby.Handle) {
		k := open(t, l.A)
		var h *moby.Handle
		if err := l.A.Do(func() (err error) {
			h, err = moby.New("")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		return k, h
	})
}

// open opens the kernel's table of a node.
func open(t *testing.T, n *lab.Node) *genl.Kernel {
	t.Helper()
	var k *genl.Kernel
	err := n.Do(func() (err error) {
		k, err = genl.Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// A table is read whole while somebody changes that of another network namespace,
// though the kernel numbers the services of both together.
func TestReadBesideAnotherNamespace(t *testing.T) {
	l := suite.New(t, "")
	service := func(port int) ipvs.Op {
		return ipvs.Op{
			Kind: ipvs.AddService, Service: ipvs.Service{Scheduler: "rr", Netmask: 32},
			Key: ipvs.ServiceKey{Protocol: ipvs.TCP, Address: netip.MustParseAddr("192.0.2.1"), Port: uint16(port)},
		}
	}
	const services = 500
	k, other := open(t, l.A), open(t, l.B)
	var all []ipvs.Op
	for port := range services {
		all = append(all, service(port+1))
	}
	if errs := k.Apply(all); errs != nil {
		t.Fatal(errors.Join(errs...))
	}
	stop := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			add := service(1000 + n%1000)
			remove := add
			remove.Kind = ipvs.DelService
			if errs := other.Apply([]ipvs.Op{add, remove}); errs != nil {
				t.Error(errors.Join(errs...))
				return
			}
		}
	})
	for range 20 {
		table, err := k.Read()
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Error(err)
		}
		if err == nil && len(table) != services {
			t.Errorf("%d services, want %d", len(table), services)
		}
	}
	close(stop)
	changes.Wait()
}
