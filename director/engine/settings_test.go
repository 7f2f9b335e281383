package engine_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// sysctls are kernel settings in memory.
type sysctls struct {
	mu     sync.Mutex
	values map[string]string
}

func (s *sysctls) Get(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	return "", fs.ErrNotExist
}

func (s *sysctls) Set(name, value string) error {
	if _, err := s.Get(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = value
	return nil
}

func newSysctls() *sysctls {
	return &sysctls{values: map[string]string{
		"net.ipv4.vs.expire_nodest_conn": "0", "net.ipv4.vs.conntrack": "0", "net.ipv4.ip_forward": "0",
		"net.ipv4.vs.conn_reuse_mode": "1",
	}}
}

// settled runs a director with settings, lets see look, and stops it.
func settled(t *testing.T, o engine.Options, s director.Settings, see func(*engine.Engine, error), servers ...director.VirtualServer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := engine.New(o)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	err := d.Configure(ctx, s)
	see(d, errors.Join(err, d.Apply(ctx, servers)))
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.Stop(context.Background(), false); err != nil {
		t.Error(err)
	}
}

func TestSettingsAreSetAndPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes, two := true, 2
		k, s, r := ipvstest.New(), newSysctls(), &rules{}
		vs := pool(1)
		vs.Real[0].Forward = director.FullNAT
		o := engine.Options{Kernel: k, Sysctl: s, SNAT: r, State: t.TempDir()}
		settled(t, o, director.Settings{
			ManageSysctls: true, ExpireNodestConn: &yes, ConnReuseMode: &two, TCPTimeout: time.Hour,
		}, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			for name, want := range map[string]string{
				"net.ipv4.vs.expire_nodest_conn": "1", "net.ipv4.vs.conntrack": "1", "net.ipv4.ip_forward": "1", "net.ipv4.vs.conn_reuse_mode": "2",
			} {
				if got, _ := s.Get(name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			if got, _ := k.Timeouts(); got != (ipvs.Timeouts{TCP: 3600, TCPFin: 120, UDP: 300}) {
				t.Errorf("timeouts %+v", got)
			}
			if r.len() != 1 {
				t.Errorf("%d fullnat rules", r.len())
			}
			if plan, err := d.Plan(context.Background(), nil); err != nil || !strings.Contains(plan.String(), "- fullnat source NAT of all services") {
				t.Errorf("plan without the service: %v\n%s", err, plan)
			}
			// Somebody changes one: it is put right, and its value of before is not forgotten.
			if err := s.Set("net.ipv4.ip_forward", "0"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got, _ := s.Get("net.ipv4.ip_forward"); got != "1" {
				t.Errorf("ip_forward is %s after somebody's change", got)
			}
			want := []director.SettingStatus{
				{Name: "net.ipv4.ip_forward", Value: "1", Wanted: "1", Before: "0"},
				{Name: "net.ipv4.vs.conn_reuse_mode", Value: "2", Wanted: "2", Before: "1"},
				{Name: "net.ipv4.vs.conntrack", Value: "1", Wanted: "1", Before: "0"},
				{Name: "net.ipv4.vs.expire_nodest_conn", Value: "1", Wanted: "1", Before: "0"},
				{Name: "tcp_timeout", Value: "3600s", Wanted: "3600s", Before: "900s"},
				{Name: "tcp_fin_timeout", Value: "120s", Wanted: "120s"},
				{Name: "udp_timeout", Value: "300s", Wanted: "300s"},
			}
			if list := d.Settings(); !slices.Equal(list, want) {
				t.Errorf("status %+v", list)
			}
		}, vs)
		for name, want := range newSysctls().values {
			if got, _ := s.Get(name); got != want {
				t.Errorf("after the stop %s is %s, want %s", name, got, want)
			}
		}
		if got, _ := k.Timeouts(); got != (ipvs.Timeouts{TCP: 900, TCPFin: 120, UDP: 300}) {
			t.Errorf("timeouts after the stop %+v", got)
		}
		if r.len() != 0 {
			t.Error("fullnat rules are left")
		}
	})
}

func TestUnmanagedSettingsSayWhatToSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSysctls()
		settled(t, engine.Options{Kernel: ipvstest.New(), Sysctl: s}, director.Settings{}, func(_ *engine.Engine, err error) {
			if err == nil || !strings.Contains(err.Error(), "sysctl -w net.ipv4.ip_forward=1") {
				t.Errorf("error %v", err)
			}
			if got, _ := s.Get("net.ipv4.ip_forward"); got != "0" {
				t.Errorf("ip_forward is %s", got)
			}
		}, pool(1))
	})
}

// A plan names each setting that would change, and none once it has.
func TestPlanOfSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes := true
		vs := pool(1)
		o := engine.Options{Kernel: ipvstest.New(), Sysctl: newSysctls(), State: t.TempDir()}
		s := director.Settings{ManageSysctls: true, ExpireNodestConn: &yes, UDPTimeout: time.Minute,
			Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}}
		planned := func(d *engine.Engine, s director.Settings) string {
			t.Helper()
			changes, err := d.PlanSettings([]director.VirtualServer{vs}, s)
			if err != nil {
				t.Error(err)
			}
			return director.PlanReport{Changes: changes}.String()
		}
		want := `  ~ setting net.ipv4.ip_forward = 0 -> 1
  ~ setting net.ipv4.vs.expire_nodest_conn = 0 -> 1
  ~ setting udp_timeout = 300s -> 60s
  + sync daemon on eth0, id 51
`
		if got := planned(engine.New(o), s); got != want {
			t.Errorf("planned:\n%swant:\n%s", got, want)
		}
		by := s
		by.ManageSysctls = false
		if got := planned(engine.New(o), by); !strings.Contains(got, "to be set by hand") {
			t.Errorf("planned without manage_sysctls:\n%s", got)
		}
		settled(t, o, s, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			if got := planned(d, s); got != "" {
				t.Errorf("left to do:\n%s", got)
			}
			s.Sync.Daemon.ID++
			if got := planned(d, s); got != "  ~ sync daemon on eth0, id 51 -> on eth0, id 52\n" {
				t.Errorf("another sync daemon:\n%s", got)
			}
			s.Sync = nil
			if got := planned(d, s); got != "  - sync daemon on eth0, id 51\n" {
				t.Errorf("no sync daemon:\n%s", got)
			}
		}, vs)
	})
}

// What a reload no longer gives is as it was before; what connections may still
// need stays until the end.
func TestSettingsThatAReloadDropsArePutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes := true
		k, s := ipvstest.New(), newSysctls()
		o := engine.Options{Kernel: k, Sysctl: s, State: t.TempDir()}
		given := director.Settings{ManageSysctls: true, ExpireNodestConn: &yes, TCPTimeout: time.Hour, UDPTimeout: time.Minute}
		settled(t, o, given, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			if err := d.Configure(context.Background(), director.Settings{ManageSysctls: true, UDPTimeout: time.Minute}); err != nil {
				t.Error(err)
			}
			for name, want := range map[string]string{"net.ipv4.vs.expire_nodest_conn": "0", "net.ipv4.ip_forward": "1"} {
				if got, _ := s.Get(name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			if got, _ := k.Timeouts(); got != (ipvs.Timeouts{TCP: 900, TCPFin: 120, UDP: 60}) {
				t.Errorf("timeouts %+v", got)
			}
		}, pool(1))
		if got, _ := k.Timeouts(); got != (ipvs.Timeouts{TCP: 900, TCPFin: 120, UDP: 300}) {
			t.Errorf("timeouts after the stop %+v", got)
		}
	})
}
