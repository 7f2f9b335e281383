package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

// DrawPoolSetup draws a world with a virtual server and real servers, which needs a
// kernel with IPVS.
func DrawPoolSetup(seed uint64) Setup {
	r := rand.New(rand.NewPCG(seed, 4))
	s := Setup{Directors: 2, Forward: pick(r, "nat", "fullnat")}
	web := drawInstance(r, 0)
	web.Advert = time.Second // where the machine is emulated, a tenth is how late everybody is
	s.Instances = []Instance{web}
	if s.Forward == "nat" { // the real servers' default route floats with the VIP
		gate := Instance{
			Name: "gate", Interface: "eth1", VRID: 53, Version: web.Version, Priority: web.Priority, Advert: web.Advert, Accept: true,
			Preempt: web.Preempt, VIPs: []VIP{{Prefix: netip.PrefixFrom(lab.BackVIP, 16)}},
		}
		s.Instances, s.Group = append(s.Instances, gate), true
	}
	s.separate()
	return s
}

// pool is the virtual server's part of a configuration.
func pool(forward string) string {
	return `virtual_server "shop" {
  address        = "` + lab.Service.String() + `"
  scheduler      = "rr"
  forward_method = "` + forward + `"
  health_check "http" {
    path     = "/healthz"
    interval = "500ms"
    timeout  = "400ms"
    rise     = 1
    fall     = 2
  }
` + strings.Join(realServers(), "") + "}\n"
}

func realServers() (all []string) {
	for _, a := range lab.RIPs {
		all = append(all, fmt.Sprintf("  real_server \"%s:80\" {}\n", a))
	}
	return all
}

// serve starts what answers on the real servers.
func (w *World) serve(ctx context.Context) error {
	for _, n := range w.Real {
		p, err := n.Web(ctx)
		if err != nil {
			return err
		}
		w.servers = append(w.servers, &server{Node: n, web: p})
	}
	return nil
}

// judgePool has the client ask the service, and compares the tables with the statuses.
func (w *World) judgePool(views []*view) (faults []Fault) {
	if len(w.servers) == 0 {
		return nil
	}
	var up []string
	for i, s := range w.servers {
		if !s.off {
			up = append(up, netip.AddrPortFrom(lab.RIPs[i], 80).String())
		}
	}
	slices.Sort(up)
	held := false
	for _, v := range views {
		held = held || v.states[v.setup.Instances[0].Name] == "active" && !v.apart(v.setup.Instances[0])
		if !v.stopped && !slices.Contains([]string{leftGone, leftDown, leftNoCable, leftRenamed, leftApart}, v.left["eth1"]) {
			faults = append(faults, v.judgeTable(up)...)
		}
	}
	if !held || len(up) == 0 || w.backCut() {
		return faults
	}
	err := w.Client.Do(func() error {
		for i := range 3 {
			if a := lab.Ask(lab.ClientAddr(i), lab.Service, time.Second); a.Err != nil {
				return fmt.Errorf("the service: %w", a.Err)
			}
		}
		return nil
	})
	if err != nil {
		faults = append(faults, Fault{kindServe, err.Error()})
	}
	return faults
}

// backCut says whether a director is left without its way to the real servers.
func (w *World) backCut() bool {
	return slices.ContainsFunc(w.directors, func(d *Director) bool { return d.left["eth1"] != "" })
}

// judgeTable compares one director's IPVS table with what it must be and with what
// its status says.
func (v *view) judgeTable(up []string) (faults []Fault) {
	fault := func(kind, format string, a ...any) {
		faults = append(faults, Fault{kind, v.Name + ": " + fmt.Sprintf(format, a...)})
	}
	list, err := v.Destinations()
	if err != nil {
		fault(kindStatus, "%v", err)
		return faults
	}
	var have, told []string
	for _, d := range list {
		have = append(have, d.String())
	}
	for _, s := range v.told.VirtualServers {
		for _, r := range s.RealServers {
			if r.State == "up" {
				told = append(told, r.Address)
			}
		}
	}
	slices.Sort(have)
	slices.Sort(told)
	if !slices.Equal(told, up) {
		fault(kindTell, "servers %v are up in the status, not %v", told, up)
	}
	if !slices.Equal(have, told) {
		fault(kindHold, "the IPVS table has %v; the status says %v", have, told)
	}
	return faults
}

func pooled(s Setup) bool { return s.Forward != "" }

func unpooled(s Setup) bool { return s.Forward == "" }

func poolActions() []Action {
	table := func(name, words string) Action {
		return Action{Name: name, Fits: pooled, Do: func(s *scene) { s.sh(words) }}
	}
	operator := func(name string, args ...string) Action {
		return Action{Name: name, Fits: pooled, Do: func(s *scene) {
			args := slices.Clone(args)
			args = slices.Insert(args, 1, "shop", netip.AddrPortFrom(pick(s.r, lab.RIPs...), 80).String())
			s.d.usher(s.ctx, args...)
		}}
	}
	rip := lab.RIPs[0].String() + ":80"
	service := lab.Service.String()
	return []Action{
		table("ipvs-flushed", "ipvsadm -C"),
		table("ipvs-service-deleted", "ipvsadm -D -t "+service),
		table("ipvs-service-edited", "ipvsadm -E -t "+service+" -s wlc -p 60"),
		table("ipvs-server-deleted", "ipvsadm -d -t "+service+" -r "+rip),
		table("ipvs-server-edited", "ipvsadm -e -t "+service+" -r "+rip+" -m -w 77"),
		table("ipvs-server-added", "ipvsadm -a -t "+service+" -r 10.1.9.9:80 -m"),
		table("ipvs-zeroed", "ipvsadm -Z"),
		{Name: "ipvs-foreign-service", Fits: pooled, Do: func(s *scene) {
			d := s.d
			s.sh("ipvsadm -A -t 203.0.113.7:80 -s rr")
			s.w.later(func() { s.w.sh(s.ctx, d.Node, "ipvsadm", "-D", "-t", "203.0.113.7:80") })
		}},
		{Name: "ipvs-settings", Fits: pooled, Do: func(s *scene) {
			s.set("net/ipv4/vs/"+pick(s.r, "conntrack", "expire_nodest_conn", "expire_quiescent_template"), "0")
		}},
		operator("drain", "drain"),
		operator("disable", "disable"),
		operator("enable", "enable"),
		operator("weight", "weight", "5"),
		{Name: "server-killed", Fits: pooled, Do: func(s *scene) {
			v := pick(s.r, s.w.servers...)
			v.web.Reap()
			v.off = s.stays()
		}},
		{Name: "server-hangs", Fits: pooled, Do: func(s *scene) {
			v := pick(s.r, s.w.servers...)
			for _, pid := range append(lab.Descendants(v.web.PID()), v.web.PID()) {
				s.d.signal(syscall.SIGSTOP, pid)
			}
		}},
		{Name: "server-answers-slowly", Fits: pooled, Do: func(s *scene) { s.slow(pick(s.r, s.w.servers...)) }},
		{Name: "server-without-carrier", Fits: pooled, Do: func(s *scene) {
			s.on(s.w.LAN, "ip link set "+pick(s.r, s.w.servers...).Name+"-eth0 down")
		}},
	}
}

// slow has a real server answer late, by less and by more than a check waits, until
// the world is healed: it gets time in short turns alone.
func (s *scene) slow(v *server) {
	late := time.Duration(100+s.r.IntN(700)) * time.Millisecond
	s.w.note("  %s answers up to %v late", v.Name, late)
	signal := func(sig syscall.Signal) {
		if !ended(v.web) {
			for _, pid := range append(lab.Descendants(v.web.PID()), v.web.PID()) {
				syscall.Kill(pid, sig) //nolint:errcheck // it may have ended
			}
		}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			signal(syscall.SIGSTOP)
			wait(ctx, late)
			signal(syscall.SIGCONT)
			wait(ctx, 20*time.Millisecond)
		}
	}()
	s.w.later(func() {
		cancel()
		<-done
	})
}

// healPool has the real servers serve again, and lifts what operators said of them.
func (w *World) healPool(ctx context.Context) error {
	for i, s := range w.servers {
		for _, pid := range append(lab.Descendants(s.web.PID()), s.web.PID()) {
			syscall.Kill(pid, syscall.SIGCONT) //nolint:errcheck // it may have ended
		}
		w.sh(ctx, w.LAN, "ip", "link", "set", s.Name+"-eth0", "up")
		if !s.off && ended(s.web) {
			var err error
			if s.web, err = s.Web(ctx); err != nil {
				return err
			}
		}
		for _, d := range w.directors {
			if d.running() {
				d.usher(ctx, "enable", "shop", netip.AddrPortFrom(lab.RIPs[i], 80).String())
			}
		}
	}
	return nil
}
