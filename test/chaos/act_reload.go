package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// change has the configuration of one director or of all say something else, and
// has them reload, one after the other.
func (s *scene) change(all bool, do func(n int, setup *Setup)) {
	for _, d := range s.w.directors {
		if !all && d != s.d {
			continue
		}
		do(d.n, &d.setup)
		d.setup.separate()
		d.reload(s)
		wait(s.ctx, pick[time.Duration](s.r, 0, 0, 100, 500)*time.Millisecond)
	}
}

// reload writes the director's file and has usher read it.
func (d *Director) reload(s *scene) {
	d.dirty = true
	if err := replace(filepath.Join(d.Dir, "usher.hcl"), d.setup.HCL(d.n, d.places), 0o644); err != nil {
		d.world.note("  %v", err)
	}
	if d.running() {
		d.reread(s.ctx)
	}
}

// reread has usher read its configuration file. An answer takes no longer than the
// world has patience.
func (d *Director) reread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.world.patience)
	defer cancel()
	begun := time.Now()
	answer, err := d.Post(ctx, "/api/v1/reload")
	d.dirty = err != nil
	d.world.note("  %s: reload (%v): %s %v", d.Name, time.Since(begun).Round(time.Millisecond), answer, err)
}

// each changes a drawn instance on one director or on all.
func each(name string, all bool, do func(s *scene, in *Instance, draw int)) Action {
	return Action{Name: name, Do: func(s *scene) {
		k, draw := s.r.IntN(len(s.d.setup.Instances)), s.r.IntN(1000)
		if !all {
			s.toward(s.d.setup.Instances[k])
		}
		s.change(all, func(_ int, setup *Setup) { do(s, &setup.Instances[k], draw) })
	}}
}

func reloadActions() []Action {
	return slices.Concat([]Action{
		{Name: "reload-same", Do: func(s *scene) { s.d.usher(s.ctx, "reload") }},
		{Name: "reload-invalid", Do: func(s *scene) {
			names := []string{"garbage", "empty-brace", "unknown-key", "bad-vrid", "twice", "missing-secret", "deep"}
			name := pick(s.r, names...)
			s.w.note("  %s", name)
			s.spoilConfig(invalid[name](s.d.setup.HCL(s.d.n, s.d.places)))
		}},
		{Name: "reload-empty-file", Do: func(s *scene) { s.spoilConfig("") }},
		{Name: "config-removed", Do: func(s *scene) {
			s.d.dirty = true
			s.w.note("  %v", os.Remove(filepath.Join(s.d.Dir, "usher.hcl")))
			s.d.usher(s.ctx, "reload")
		}},
		{Name: "config-a-fifo", Do: func(s *scene) {
			s.d.dirty = true
			path := filepath.Join(s.d.Dir, "usher.hcl")
			s.w.note("  %v", os.Remove(path))
			s.w.note("  %v", syscall.Mkfifo(path, 0o644))
			s.d.signal(syscall.SIGHUP, s.parent())
		}},
		{Name: "reload-many", Do: func(s *scene) {
			k := s.r.IntN(len(s.d.setup.Instances))
			for i := range 3 + s.r.IntN(4) {
				s.d.setup.Instances[k].Priority[s.d.n] = 90 + 7*i
				s.d.reload(s)
			}
		}},
	}, keyActions(), shapeActions())
}

// spoilConfig has usher read a file that says something else than it shall.
func (s *scene) spoilConfig(text string) {
	if err := replace(filepath.Join(s.d.Dir, "usher.hcl"), text, 0o644); err != nil {
		s.w.note("  %v", err)
	}
	s.d.reread(s.ctx)
	s.d.dirty = true
}

// keyActions change a key of an instance.
func keyActions() []Action {
	return []Action{
		{Name: "reload-priority", Do: func(s *scene) {
			k := s.r.IntN(len(s.d.setup.Instances))
			s.change(false, func(n int, setup *Setup) { setup.Instances[k].Priority[n] = 70 + 4*s.r.IntN(40) + n })
		}},
		each("reload-preempt", false, func(_ *scene, in *Instance, _ int) { in.Preempt = !in.Preempt }),
		each("reload-lease", false, func(_ *scene, in *Instance, draw int) { in.Lease = []string{"", "0s", "1s", "3s"}[draw%4] }),
		each("reload-garp", false, func(_ *scene, in *Instance, draw int) { in.Garp = []string{"", "100ms", "1s"}[draw%3] }),
		each("reload-interval", true, func(_ *scene, in *Instance, draw int) {
			if in.Version == 3 {
				in.Advert = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond}[draw%3]
			}
		}),
		each("reload-bind", true, func(_ *scene, in *Instance, _ int) { in.LocalRoute = !in.LocalRoute && !in.VirtualMAC }),
		each("reload-virtual-mac", true, func(_ *scene, in *Instance, _ int) { in.VirtualMAC = !in.VirtualMAC && !in.LocalRoute }),
		each("reload-accept", true, func(_ *scene, in *Instance, _ int) { in.Accept = !in.Accept }),
		each("reload-vrid", true, func(_ *scene, in *Instance, draw int) { in.VRID = in.VRID%50 + uint8(60+draw%3*50) }),
		each("reload-unicast", true, func(_ *scene, in *Instance, _ int) { in.Unicast = !in.Unicast && !in.six6() }),
		each("reload-version", true, func(_ *scene, in *Instance, _ int) {
			switch {
			case in.Version == 2:
				in.Version = 3
			case !in.six6() && !in.VirtualMAC:
				in.Version, in.Advert = 2, time.Second
			}
		}),
	}
}

// six6 says whether the instance has addresses of IPv6.
func (in Instance) six6() bool {
	return slices.ContainsFunc(in.VIPs, func(v VIP) bool { return v.Prefix.Addr().Is6() })
}

// several says whether there are instances that can do without each other.
func several(s Setup) bool { return len(s.Instances) > 1 && s.Forward == "" }

// shapeActions add and remove parts of the configuration.
func shapeActions() []Action {
	return []Action{
		each("reload-vip-added", true, func(s *scene, in *Instance, draw int) {
			v := VIP{Prefix: in.number(int(in.VRID)%5, 6+draw%3, in.Interface)}
			if !slices.Contains(in.VIPs, v) {
				in.VIPs = append(in.VIPs, v)
			}
		}),
		each("reload-vip-removed", true, func(_ *scene, in *Instance, _ int) {
			if len(in.VIPs) > 1 && !in.VIPs[len(in.VIPs)-1].Prefix.Addr().Is6() {
				in.VIPs = in.VIPs[:len(in.VIPs)-1]
			}
		}),
		{Name: "reload-vip-changed", Fits: unpooled, Do: func(s *scene) { // a service stands on the first VIP
			k := s.r.IntN(len(s.d.setup.Instances))
			s.change(true, func(_ int, setup *Setup) {
				in := &setup.Instances[k]
				in.VIPs[0].Prefix = in.number(int(in.VRID)%5, 9, in.Interface)
			})
		}},
		each("reload-route", true, func(_ *scene, in *Instance, _ int) { in.Route = !in.Route }),
		each("reload-rule", true, func(_ *scene, in *Instance, _ int) { in.Rule = !in.Rule }),
		each("reload-track", true, func(_ *scene, in *Instance, draw int) {
			if len(in.Tracks) > 0 {
				in.Tracks = nil
				return
			}
			in.Tracks = []string{[]string{trackScript, trackFile, trackProcess, trackInterface}[draw%4]}
			in.Weight = []int{0, -60}[draw/4%2]
		}),
		each("reload-track-weight", true, func(_ *scene, in *Instance, _ int) { in.Weight = -60 - in.Weight }),
		{Name: "reload-group", Fits: several, Do: func(s *scene) {
			s.change(true, func(_ int, setup *Setup) { setup.Group = !setup.Group })
		}},
		{Name: "reload-instance-added", Do: func(s *scene) {
			in := drawInstance(s.r, 3)
			s.change(true, func(_ int, setup *Setup) {
				if setup.Instances[len(setup.Instances)-1].Name != in.Name {
					setup.Instances = append(setup.Instances, in)
				}
			})
		}},
		{Name: "reload-instance-removed", Fits: several, Do: func(s *scene) {
			s.change(true, func(_ int, setup *Setup) {
				if n := len(setup.Instances); n > 1 {
					setup.Instances = setup.Instances[:n-1]
				}
			})
		}},
		{Name: "reload-instance-renamed", Do: func(s *scene) {
			name := fmt.Sprintf("new%x", s.r.IntN(16))
			s.change(true, func(_ int, setup *Setup) { setup.Instances[0].Name = name })
		}},
	}
}
