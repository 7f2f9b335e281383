package engine_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvstest"
)

// TestForwardingOfInterfaces: an interface by which replies of real servers come in
// forwards, as long as it is there, whoever sets what; IPv6 has one setting for all.
func TestForwardingOfInterfaces(t *testing.T) {
	const of, all, v6 = "net.ipv4.conf.eth1/7.forwarding", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"
	for name, c := range map[string]struct {
		forward director.Forward
		server  string
		watched []string
	}{
		"nat":      {director.NAT, "10.0.0.1:80", []string{of, all}},
		"fullnat":  {director.FullNAT, "10.0.0.1:80", []string{of, all}},
		"dr":       {director.DR, "192.0.2.9:80", nil},
		"nat IPv6": {director.NAT, "[2001:db8::1]:80", []string{v6}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSysctls()
				for _, key := range []string{of, v6, "net.ipv4.conf.all.accept_local"} {
					s.values[key] = "0"
				}
				vs := pool(1)
				vs.Real[0].Forward, vs.Real[0].Address = c.forward, netip.MustParseAddrPort(c.server)
				if vs.Real[0].Address.Addr().Is6() {
					vs.Keys[0].Address = netip.MustParseAddr("2001:db8::200")
				}
				asked := [][]netip.Addr{}
				o := engine.Options{Kernel: ipvstest.New(), Sysctl: s, SNAT: &rules{}, Interfaces: func(a []netip.Addr) []string {
					asked = append(asked, a)
					return []string{"eth1.7"}
				}}
				settled(t, o, director.Settings{ManageSysctls: true}, func(d *engine.Engine, err error) {
					if err != nil {
						t.Error(err)
					}
					is := func(when, key, want string) {
						t.Helper()
						if got, _ := s.Get(key); got != want {
							t.Errorf("%s: %s is %q, want %q", when, key, got, want)
						}
					}
					for _, key := range []string{of, all, v6} {
						want := "0"
						if slices.Contains(c.watched, key) {
							want = "1"
						}
						is("at first", key, want)
					}
					for _, key := range c.watched {
						if err := s.Set(key, "0"); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Second)
						synctest.Wait()
						is("a second after somebody's change", key, "1")
					}
					if !slices.Contains(c.watched, of) {
						if len(asked) > 0 {
							t.Errorf("asked for the way to %v", asked)
						}
						return
					}
					s.mu.Lock()
					delete(s.values, of) // with its interface
					s.mu.Unlock()
					plan, err := d.PlanSettings([]director.VirtualServer{vs}, director.Settings{ManageSysctls: true})
					if err != nil || len(plan) > 0 {
						t.Errorf("plan %v, %v", plan, err)
					}
					time.Sleep(2 * engine.DefaultResync)
					synctest.Wait()
					if e := d.Stats().LastError; e != "" {
						t.Errorf("the interface is gone: %s", e)
					}
					s.mu.Lock()
					s.values[of] = "0" // there again
					s.mu.Unlock()
					plan, err = d.PlanSettings([]director.VirtualServer{vs}, director.Settings{ManageSysctls: true})
					if err != nil || len(plan) != 1 || !strings.Contains(plan[0].String(), of) {
						t.Errorf("plan %v, %v", plan, err)
					}
					time.Sleep(2 * engine.DefaultResync)
					synctest.Wait()
					is("there again", of, "1")
				}, vs)
				for _, key := range c.watched {
					if got, _ := s.Get(key); got != "0" {
						t.Errorf("after the end %s is %s", key, got)
					}
				}
			})
		})
	}
}
