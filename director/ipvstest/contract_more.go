package ipvstest

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// everything is a table with each scheduler, flag, protocol, family, engine,
// forward method and tunnel that there is.
func everything() ipvs.Table {
	t := ipvs.Table{}
	for i, scheduler := range director.Schedulers() {
		key := service(byte(i), 80)
		t[key] = ipvs.Entry{Service: ipvs.Service{Scheduler: scheduler, Netmask: 32}}
	}
	flags := service(100, 80)
	t[flags] = ipvs.Entry{Service: ipvs.Service{Scheduler: "mh", Flags: ipvs.Sched1 | ipvs.Sched2, Netmask: 32}}
	every := service(101, 0)
	t[every] = ipvs.Entry{Service: ipvs.Service{Scheduler: "sh", Flags: ipvs.Persistent | ipvs.Sched1, Persistence: 600, Netmask: 24}}
	sip := ipvs.AddressKey(ipvs.UDP, netip.MustParseAddrPort("192.0.2.102:5060"))
	t[sip] = ipvs.Entry{Service: ipvs.Service{Scheduler: "rr", Flags: ipvs.Persistent | ipvs.OnePacket, Persistence: 60, Netmask: 32, Engine: "sip"}}
	sctp := ipvs.AddressKey(ipvs.SCTP, netip.MustParseAddrPort("192.0.2.103:36412"))
	t[sctp] = ipvs.Entry{Service: ipvs.Service{Scheduler: "wlc", Netmask: 32}}
	six := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("[2001:db8::80]:443"))
	t[six] = ipvs.Entry{
		Service: ipvs.Service{Scheduler: "wrr", Flags: ipvs.Persistent, Persistence: 60, Netmask: 64},
		Destinations: map[ipvs.DestinationKey]ipvs.Destination{
			dest("[2001:db8:1::1]:443"): {Weight: 1, Forward: ipvs.DR},
			dest("[2001:db8:1::2]:443"): {Weight: 65535, Forward: ipvs.Tun},
			dest("[2001:db8:1::3]:444"): {Weight: 2},
		},
	}
	t[ipvs.MarkKey(7, false)] = ipvs.Entry{
		Service: ipvs.Service{Scheduler: "rr", Netmask: 32},
		Destinations: map[ipvs.DestinationKey]ipvs.Destination{
			dest("10.0.0.1:0"): {Weight: 1, Forward: ipvs.DR},
			dest("10.0.0.2:0"): {Weight: 1, Forward: ipvs.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GUE, Port: 6080, Flags: ipvs.TunnelCsum}},
			dest("10.0.0.3:0"): {Weight: 1, Forward: ipvs.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GUE, Port: 6080, Flags: ipvs.TunnelRemCsum}},
			dest("10.0.0.4:0"): {Weight: 1, Forward: ipvs.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GRE, Flags: ipvs.TunnelCsum}},
			dest("10.0.0.5:0"): {Weight: 0, Upper: 1000, Lower: 800},
		},
	}
	t[ipvs.MarkKey(7, true)] = ipvs.Entry{Service: ipvs.Service{Scheduler: "lc", Netmask: 128}}
	return t
}

func testEverything(t *testing.T, k director.Kernel) {
	want := everything()
	ops := director.Plan(want, ipvs.Table{})
	for i, err := range k.Apply(ops) {
		var missing *ipvs.ModuleError
		switch {
		case err == nil:
		case errors.As(err, &missing) && missing.Module == "ip_vs_"+ops[i].Service.Scheduler:
			// Some kernels are built without twos or mh. They must say so.
			t.Logf("left out: %v", err)
			delete(want, ops[i].Key)
		default:
			t.Errorf("%s: %v", ops[i], err)
		}
	}
	wantTable(t, k, want)
	if have, err := k.Read(); err != nil || len(director.Plan(want, have)) != 0 {
		t.Errorf("what was written does not read back as no change: %v, %v", director.Plan(want, have), err)
	}
}

func testMixedFamilies(t *testing.T, k director.Kernel) {
	four, six := service(1, 80), ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("[2001:db8::80]:80"))
	want := ipvs.Table{
		four: {Service: rr(four), Destinations: map[ipvs.DestinationKey]ipvs.Destination{
			dest("[2001:db8:1::1]:80"): {Weight: 1, Forward: ipvs.Tun},
			dest("10.0.0.1:80"):        {Weight: 1, Forward: ipvs.Tun},
		}},
		six: {Service: rr(six), Destinations: map[ipvs.DestinationKey]ipvs.Destination{
			dest("10.0.0.1:80"): {Weight: 1, Forward: ipvs.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GRE}},
		}},
	}
	for i, err := range k.Apply(director.Plan(want, ipvs.Table{})) {
		if err != nil {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	wantTable(t, k, want)
	// Synchronisation knows one family for both ends of a connection.
	daemon := ipvs.SyncDaemon{Role: ipvs.SyncBackup, Interface: "lo", ID: 51}
	wantErr(t, "a sync daemon beside mixed families", k.StartSync(daemon), unix.EINVAL)
	wantErr(t, "delete of the other family", one(k, ipvs.Op{Kind: ipvs.DelDestination, Key: six, Dest: dest("10.0.0.1:80")}), nil)
	wantErr(t, "delete of the other", one(k, ipvs.Op{Kind: ipvs.DelDestination, Key: four, Dest: dest("[2001:db8:1::1]:80")}), nil)
	wantErr(t, "a sync daemon beside none", k.StartSync(daemon), nil)
	wantErr(t, "mixed families beside a sync daemon", one(k, ipvs.Op{
		Kind: ipvs.AddDestination, Key: six, Dest: dest("10.0.0.1:80"), Destination: ipvs.Destination{Weight: 1, Forward: ipvs.Tun},
	}), unix.EINVAL)
	wantErr(t, "stop", k.StopSync(daemon), nil)
}

func testBatch(t *testing.T, k director.Kernel) {
	var ops []ipvs.Op
	want := map[int]error{}
	for i := range 700 {
		key := service(byte(i%250), uint16(1000+i))
		ops = append(ops, ipvs.Op{Kind: ipvs.AddService, Key: key, Service: rr(key)})
		if i%97 == 0 {
			want[len(ops)] = unix.EEXIST
			ops = append(ops, ops[len(ops)-1])
		}
		if i%199 == 3 {
			want[len(ops)] = unix.ENOENT
			ops = append(ops, ipvs.Op{Kind: ipvs.DelDestination, Key: key, Dest: dest("10.0.0.1:80")})
		}
	}
	ops = append(ops, ipvs.Op{Kind: ipvs.DelService, Key: service(251, 1)})
	want[len(ops)-1] = unix.ESRCH
	errs := k.Apply(ops)
	if len(errs) != len(ops) {
		t.Fatalf("%d errors for %d operations", len(errs), len(ops))
	}
	for i, err := range errs {
		wantErr(t, ops[i].String(), err, want[i])
	}
	if have, err := k.Read(); err != nil || len(have) != 700 {
		t.Errorf("%d services, %v; want 700", len(have), err)
	}
}

func testCounters(t *testing.T, k director.Kernel) {
	key, other := service(1, 80), service(2, 80)
	table := ipvs.Table{
		key:   {Service: rr(key), Destinations: map[ipvs.DestinationKey]ipvs.Destination{dest("10.0.0.1:80"): {Weight: 1}}},
		other: {Service: rr(other)},
	}
	k.Apply(director.Plan(table, ipvs.Table{}))
	for _, c := range []struct {
		keys []ipvs.ServiceKey
		want int
	}{{nil, 2}, {[]ipvs.ServiceKey{key}, 1}, {[]ipvs.ServiceKey{key, service(9, 9)}, 1}} {
		got, err := k.Counters(c.keys...)
		if err != nil || len(got) != c.want {
			t.Errorf("counters of %v: %v, %v; want %d services", c.keys, got, err, c.want)
		}
		if _, ok := got[key].Destinations[dest("10.0.0.1:80")]; !ok {
			t.Errorf("counters of %v lack the destination: %v", c.keys, got)
		}
	}
	totals, err := k.Totals()
	if _, ok := totals[other]; err != nil || !ok || len(totals) != 2 {
		t.Errorf("totals %v, %v; want those of 2 services", totals, err)
	}
}

func testTimeouts(t *testing.T, k director.Kernel) {
	before, err := k.Timeouts()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wantErr(t, "put the timeouts back", k.SetTimeouts(before), nil) })
	wantErr(t, "set", k.SetTimeouts(ipvs.Timeouts{TCP: 1000, UDP: 77}), nil)
	got, err := k.Timeouts()
	if want := (ipvs.Timeouts{TCP: 1000, TCPFin: before.TCPFin, UDP: 77}); err != nil || got != want {
		t.Errorf("timeouts %+v, %v; want %+v", got, err, want)
	}
}

func testSyncDaemons(t *testing.T, k director.Kernel) {
	master := ipvs.SyncDaemon{
		Role: ipvs.SyncMaster, Interface: "lo", ID: 51,
		Group: netip.MustParseAddr("224.0.0.90"), Port: 8849, TTL: 3, MaxLength: 1200,
	}
	backup := master
	backup.Role = ipvs.SyncBackup
	wantErr(t, "stop what does not run", k.StopSync(master), unix.ESRCH)
	for _, d := range []ipvs.SyncDaemon{master, backup} {
		wantErr(t, "start", k.StartSync(d), nil)
		wantErr(t, "start twice", k.StartSync(d), unix.EEXIST)
		got, err := k.SyncDaemons()
		if err != nil || len(got) != 1 || got[0] != d {
			t.Errorf("daemons %+v, %v; want %+v", got, err, d)
		}
		wantErr(t, "stop", k.StopSync(d), nil)
	}
	if got, err := k.SyncDaemons(); err != nil || len(got) != 0 {
		t.Errorf("daemons %+v, %v; want none", got, err)
	}
}

func testManyServices(t *testing.T, k director.Kernel) {
	want := ipvs.Table{}
	for i := range 300 {
		key := service(byte(i%200), uint16(2000+i))
		want[key] = ipvs.Entry{Service: rr(key), Destinations: map[ipvs.DestinationKey]ipvs.Destination{
			dest("10.0.0.1:80"): {Weight: uint32(i)},
			dest("10.0.0.2:80"): {Weight: 1, Forward: ipvs.DR},
		}}
	}
	if errs := k.Apply(director.Plan(want, ipvs.Table{})); errs != nil {
		t.Fatal(errs)
	}
	wantTable(t, k, want)
}

func testBigService(t *testing.T, k director.Kernel) {
	want := ipvs.Table{}
	for s := range 3 {
		key := service(byte(s+1), 80)
		e := ipvs.Entry{Service: rr(key), Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
		for i := range 700 {
			a := netip.AddrFrom4([4]byte{10, byte(s), byte(i / 250), byte(1 + i%250)})
			e.Destinations[ipvs.DestinationKey{Address: a, Port: 80}] = ipvs.Destination{Weight: 1}
		}
		want[key] = e
	}
	if errs := k.Apply(director.Plan(want, ipvs.Table{})); errs != nil {
		t.Fatal(errs)
	}
	wantTable(t, k, want)
}
