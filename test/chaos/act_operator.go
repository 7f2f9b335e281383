package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"usher/test/lab"
)

func tracked(kind string) func(Setup) bool {
	return func(s Setup) bool { return some(s, func(in Instance) bool { return in.tracks(kind) }) }
}

// turn has a track say no, for a time or for good.
func (s *scene) turn(kind string) {
	if s.stays() {
		s.d.bad[kind] = true
		s.w.note("  and stays so")
	}
}

// script puts another program in the place of the one that track_script runs.
func (s *scene) script(text string, mode os.FileMode) {
	s.w.note("  script %q: %v", text, replace(s.d.places.script, text, mode))
}

func trackActions() []Action {
	script := func(name, text string, mode os.FileMode) Action {
		return Action{Name: name, Fits: tracked(trackScript), Do: func(s *scene) {
			s.script(text, mode)
			s.turn(trackScript)
		}}
	}
	file := func(name, text string) Action {
		return Action{Name: name, Fits: tracked(trackFile), Do: func(s *scene) {
			s.w.note("  %v", replace(s.d.places.file, text, 0o644))
		}}
	}
	return []Action{
		script("script-fails", "#!/bin/sh\nexit 1\n", 0o755),
		script("script-hangs", "#!/bin/sh\nsleep 1000\n", 0o755),
		script("script-hangs-with-children", "#!/bin/sh\nsleep 1000 &\nsleep 1000\n", 0o755),
		script("script-not-executable", "#!/bin/sh\nexit 0\n", 0o644),
		script("script-ignores-signals", "#!/bin/sh\ntrap '' TERM INT HUP\nwhile :; do sleep 1000; done\n", 0o755),
		script("script-writes-without-end", "#!/bin/sh\nexec yes\n", 0o755),
		{Name: "script-leaves-a-child", Fits: tracked(trackScript), Do: func(s *scene) { s.script("#!/bin/sh\nsleep 2 &\nexit 0\n", 0o755) }},
		{Name: "script-flips", Fits: tracked(trackScript), Do: func(s *scene) {
			for range 1 + s.r.IntN(3) {
				s.script("#!/bin/sh\nexit 1\n", 0o755)
				wait(s.ctx, 350*time.Millisecond)
				s.script("#!/bin/sh\nexit 0\n", 0o755)
				wait(s.ctx, 350*time.Millisecond)
			}
		}},
		{Name: "script-removed", Fits: tracked(trackScript), Do: func(s *scene) {
			s.w.note("  %v", os.Remove(s.d.places.script))
			s.turn(trackScript)
		}},
		{Name: "file-says-no", Fits: tracked(trackFile), Do: func(s *scene) {
			s.w.note("  %v", replace(s.d.places.file, "-254\n", 0o644))
			s.turn(trackFile)
		}},
		file("file-weighs", "-70\n"),
		file("file-garbage", "\x00\x01garbage\n"),
		file("file-empty", ""),
		file("file-huge-number", "99999999999999999999999\n"),
		{Name: "file-removed", Fits: tracked(trackFile), Do: func(s *scene) { s.w.note("  %v", os.Remove(s.d.places.file)) }},
		{Name: "file-a-folder", Fits: tracked(trackFile), Do: func(s *scene) {
			s.w.note("  %v", os.Remove(s.d.places.file))
			s.w.note("  %v", os.Mkdir(s.d.places.file, 0o755))
		}},
		{Name: "file-a-fifo", Fits: tracked(trackFile), Do: func(s *scene) {
			s.w.note("  %v", os.Remove(s.d.places.file))
			s.w.note("  %v", syscall.Mkfifo(s.d.places.file, 0o644))
		}},
		{Name: "tracked-process-ends", Fits: tracked(trackProcess), Do: func(s *scene) {
			if s.d.tracked != nil {
				s.w.note("  %v", s.d.tracked.Kill())
			}
			s.turn(trackProcess)
		}},
	}
}

func operatorActions() []Action {
	one := func(name string, args ...string) Action {
		return Action{Name: name, Do: func(s *scene) { s.d.usher(s.ctx, args...) }}
	}
	failover := func(s *scene) {
		in := s.instance()
		s.toward(in)
		s.d.usher(s.ctx, "failover", in.Name)
	}
	return []Action{
		{Name: "failover", Do: failover},
		{Name: "failover-twice", Do: func(s *scene) {
			failover(s)
			failover(s)
		}},
		{Name: "maintenance-on-and-off", Do: func(s *scene) {
			s.d.usher(s.ctx, "maintenance", "on")
			wait(s.ctx, pick(s.r, waits...))
			s.d.usher(s.ctx, "maintenance", "off")
			s.d.resting = false
		}},
		{Name: "maintenance-on", Do: func(s *scene) {
			s.d.usher(s.ctx, "maintenance", "on")
			s.d.resting = s.stays() && s.d.running() && s.d.inMaintenance(s.ctx) // it may be refused
		}},
		{Name: "maintenance-everywhere", Do: func(s *scene) {
			for _, d := range s.w.directors {
				d.usher(s.ctx, "maintenance", "on")
			}
		}},
		one("withdraw", "withdraw"),
		one("status-asked", "status"),
		one("events-asked", "events"),
		{Name: "plan-asked", Do: func(s *scene) { s.d.usher(s.ctx, "plan", "-c", filepath.Join(s.d.Dir, "usher.hcl")) }},
		{Name: "another-usher", Do: func(s *scene) { // with the same state folder: refused
			if s.d.running() {
				ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
				defer cancel()
				s.d.usher(ctx, "run", "-c", filepath.Join(s.d.Dir, "usher.hcl"))
			}
		}},
		{Name: "many-connections", Do: func(s *scene) {
			for range 30 {
				s.d.Control(s.ctx, "/api/v1/status") //nolint:errcheck // whatever comes of it
			}
		}},
	}
}

// server is a real server with its web server; see pool.
type server struct {
	*lab.Node
	web *lab.Process
	off bool // ended, and not started again
}

// invalid are configurations that are refused, whatever ran before.
var invalid = map[string]func(good string) string{
	"garbage":     func(string) string { return "\x00\x01\x02{{{" },
	"empty-brace": func(good string) string { return good + "\nvrrp_instance \"x\" {" },
	"unknown-key": func(good string) string { return good + "\nnonsense = 1\n" },
	"bad-vrid": func(string) string {
		return "vrrp_instance \"web\" {\n  interface = \"eth0\"\n  virtual_router_id = 999\n}\n"
	},
	"twice":          func(good string) string { return good + good },
	"missing-secret": func(good string) string { return good + "\nlocals { x = file(\"/no/such/file\") }\n" },
	"deep":           func(good string) string { return good + fmt.Sprintf("\nlocals { x = %s }\n", deep) },
}

// deep is nested farther than anybody writes.
var deep = func() string {
	b := make([]byte, 0, 1000)
	for range 500 {
		b = append(b, '[')
	}
	for range 500 {
		b = append(b, ']')
	}
	return string(b)
}()
