package director_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
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

// rules is a packet filter in memory.
type rules struct {
	mu   sync.Mutex
	kept []director.SNATRule
	held bool // their place is there
	tell func()
}

func (r *rules) Remove() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.held = nil, false
	return nil
}

// holds tells whether the place of the rules is there.
func (r *rules) holds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *rules) Watch(ctx context.Context, changed func()) error {
	r.mu.Lock()
	r.tell = changed
	r.mu.Unlock()
	<-ctx.Done()
	return nil
}

// flush takes all rules away, as anybody may.
func (r *rules) flush() {
	r.mu.Lock()
	r.kept = nil
	tell := r.tell
	r.mu.Unlock()
	tell()
}

func (r *rules) Keep(want []director.SNATRule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := len(want) != len(r.kept)
	r.kept, r.held = want, true
	return changed, nil
}

func (r *rules) Same(want []director.SNATRule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(want) == len(r.kept), nil
}

func (r *rules) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.kept)
}

func newSysctls() *sysctls {
	return &sysctls{values: map[string]string{
		"net.ipv4.vs.expire_nodest_conn": "0", "net.ipv4.vs.conntrack": "0", "net.ipv4.ip_forward": "0",
		"net.ipv4.vs.conn_reuse_mode": "1",
	}}
}

// settled runs a director with settings, lets see look, and stops it.
func settled(t *testing.T, o director.Options, s director.Settings, see func(*director.Director, error), servers ...director.VirtualServer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := director.New(o)
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
		o := director.Options{Kernel: k, Sysctl: s, SNAT: r, State: t.TempDir()}
		settled(t, o, director.Settings{
			ManageSysctls: true, ExpireNodestConn: &yes, ConnReuseMode: &two, TCPTimeout: time.Hour,
		}, func(d *director.Director, err error) {
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
			time.Sleep(director.DefaultResync + time.Second)
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
		settled(t, director.Options{Kernel: ipvstest.New(), Sysctl: s}, director.Settings{}, func(_ *director.Director, err error) {
			if err == nil || !strings.Contains(err.Error(), "sysctl -w net.ipv4.ip_forward=1") {
				t.Errorf("error %v", err)
			}
			if got, _ := s.Get("net.ipv4.ip_forward"); got != "0" {
				t.Errorf("ip_forward is %s", got)
			}
		}, pool(1))
	})
}

// A connection is told to the peer as soon as it is open, where nobody has set
// otherwise.
func TestSyncSettings(t *testing.T) {
	for _, c := range []struct{ is, want string }{{"3\t50", "0 0"}, {"2\t10", "2\t10"}} {
		synctest.Test(t, func(t *testing.T) {
			const name = "net.ipv4.vs.sync_threshold"
			s := newSysctls()
			s.values[name] = c.is
			settled(t, director.Options{Kernel: ipvstest.New(), Sysctl: s, State: t.TempDir()}, director.Settings{
				ManageSysctls: true, Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}},
			}, func(_ *director.Director, err error) {
				if got, _ := s.Get(name); err != nil || got != c.want {
					t.Errorf("%q became %q, %v, want %q", c.is, got, err, c.want)
				}
			}, pool(1))
			if got, _ := s.Get(name); strings.Fields(got)[0] != strings.Fields(c.is)[0] {
				t.Errorf("%q is %q after", c.is, got)
			}
		})
	}
}

// For a while the daemon of the role before runs on: a master that is stopped
// forgets the connections that it has not told yet.
// A sync daemon that the kernel does not start because of a tunnel between families,
// which may be one that is just leaving, is an error that says so.
func TestSyncBesideMixedFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		settled(t, director.Options{Kernel: k, State: t.TempDir()}, director.Settings{}, func(d *director.Director, err error) {
			if err != nil {
				t.Error(err)
			}
			vs := pool(0)
			vs.Real = []director.RealServer{{Address: netip.MustParseAddrPort("[2001:db8::1]:80"), Weight: 1, Forward: director.Tun}}
			if err := d.Apply(t.Context(), []director.VirtualServer{vs}); err != nil {
				t.Error(err)
			}
			err = d.Configure(t.Context(), director.Settings{Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}})
			if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "2001:db8::1") {
				t.Errorf("said %v, want EINVAL and the server", err)
			}
		})
	})
}

func TestSyncDaemonFollowsTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		daemon := ipvs.SyncDaemon{Interface: "eth0", ID: 51}
		roles := func(want ...ipvs.SyncRole) {
			t.Helper()
			synctest.Wait()
			var got []ipvs.SyncRole
			daemons, _ := k.SyncDaemons()
			for _, d := range daemons {
				got = append(got, d.Role)
			}
			if !slices.Equal(got, want) {
				t.Errorf("daemons %v, want %v", got, want)
			}
		}
		settled(t, director.Options{Kernel: k, State: t.TempDir()}, director.Settings{Sync: &director.Sync{Instance: "web", Daemon: daemon}},
			func(d *director.Director, err error) {
				if err != nil {
					t.Error(err)
				}
				roles(ipvs.SyncBackup)
				d.SetActive("other", true)
				roles(ipvs.SyncBackup)
				d.SetActive("web", true)
				roles(ipvs.SyncBackup, ipvs.SyncMaster)
				time.Sleep(3 * time.Second)
				roles(ipvs.SyncBackup, ipvs.SyncMaster)
				time.Sleep(2 * time.Second)
				roles(ipvs.SyncMaster)
				// Somebody stops it.
				if err := k.StopSync(ipvs.SyncDaemon{Role: ipvs.SyncMaster}); err != nil {
					t.Error(err)
				}
				time.Sleep(director.DefaultResync + time.Second)
				roles(ipvs.SyncMaster)
				d.SetActive("web", false)
				roles(ipvs.SyncMaster, ipvs.SyncBackup)
				d.SetActive("web", true) // and back before the daemon was stopped
				roles(ipvs.SyncMaster, ipvs.SyncBackup)
				time.Sleep(5 * time.Second)
				roles(ipvs.SyncMaster)
				d.SetActive("web", false)
				time.Sleep(5 * time.Second)
				roles(ipvs.SyncBackup)
			}, pool(1))
		if got, _ := k.SyncDaemons(); len(got) != 0 {
			t.Errorf("left %+v", got)
		}
	})
}

// A master's last connections are told before it is stopped for good.
func TestStopFlushesTheSyncDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ipvstest.New()
		var stopping time.Time
		settled(t, director.Options{Kernel: k, State: t.TempDir()},
			director.Settings{Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}},
			func(d *director.Director, _ error) {
				d.SetActive("web", true)
				synctest.Wait()
				stopping = time.Now()
			}, pool(1))
		if took := time.Since(stopping); took < 3*time.Second {
			t.Errorf("stopped %v after it was master", took)
		}
		if got, _ := k.SyncDaemons(); len(got) != 0 {
			t.Errorf("left %+v", got)
		}
	})
}

// The packet filter tells of changes, so that they are undone at once.
func TestFullNATRulesAreRepairedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rules{}
		vs := pool(1)
		vs.Real[0].Forward = director.FullNAT
		o := director.Options{Kernel: ipvstest.New(), SNAT: r, State: t.TempDir()}
		settled(t, o, director.Settings{}, func(d *director.Director, err error) {
			if err != nil {
				t.Error(err)
			}
			synctest.Wait()
			r.flush()
			synctest.Wait()
			if r.len() != 1 || d.Stats().DriftRepairs != 1 {
				t.Errorf("%d rules, %d repairs", r.len(), d.Stats().DriftRepairs)
			}
		}, vs)
	})
}

// Connections through a fullnat service that a reload takes out live by the place of
// its rules, which goes at the end, and not with a director that is killed.
func TestPlaceOfFullNATRulesOutlivesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rules{}
		vs := pool(1)
		vs.Real[0].Forward = director.FullNAT
		o := director.Options{Kernel: ipvstest.New(), SNAT: r, State: t.TempDir()}
		d := director.New(o)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		for _, servers := range [][]director.VirtualServer{{vs}, {pool(1)}, {}} {
			if err := d.Apply(ctx, servers); err != nil {
				t.Error(err)
			}
		}
		if r.len() != 0 || !r.holds() {
			t.Errorf("after the reload %d rules, in place: %t", r.len(), r.holds())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		settled(t, o, director.Settings{}, func(_ *director.Director, err error) {
			if err != nil || !r.holds() {
				t.Errorf("after the new start: %v, in place: %t", err, r.holds())
			}
		}, pool(1))
		if r.holds() {
			t.Error("after the stop the place is there")
		}
	})
}

// A plan names each setting that would change, and none once it has.
func TestPlanOfSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes := true
		vs := pool(1)
		o := director.Options{Kernel: ipvstest.New(), Sysctl: newSysctls(), State: t.TempDir()}
		s := director.Settings{ManageSysctls: true, ExpireNodestConn: &yes, UDPTimeout: time.Minute,
			Sync: &director.Sync{Instance: "web", Daemon: ipvs.SyncDaemon{Interface: "eth0", ID: 51}}}
		planned := func(d *director.Director, s director.Settings) string {
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
		if got := planned(director.New(o), s); got != want {
			t.Errorf("planned:\n%swant:\n%s", got, want)
		}
		by := s
		by.ManageSysctls = false
		if got := planned(director.New(o), by); !strings.Contains(got, "to be set by hand") {
			t.Errorf("planned without manage_sysctls:\n%s", got)
		}
		settled(t, o, s, func(d *director.Director, err error) {
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
		o := director.Options{Kernel: k, Sysctl: s, State: t.TempDir()}
		given := director.Settings{ManageSysctls: true, ExpireNodestConn: &yes, TCPTimeout: time.Hour, UDPTimeout: time.Minute}
		settled(t, o, given, func(d *director.Director, err error) {
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
