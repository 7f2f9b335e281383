package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/test/lab/labtest"
)

var suite labtest.Suite

func TestMain(m *testing.M) { os.Exit(labtest.IPVS(m, &suite, 15*time.Minute)) }

// lines are what a story tells, with the times and counts that it measures.
var lines = []string{
	`Director a \(priority 150\) is active`,
	`a# usher status\n`,
	`rs1 \(.*\) answered 10\n.*rs2 \(.*\) answered 10\n.*rs3 \(.*\) answered 10\n`,
	`rs2 was killed and is out of IPVS after \d+ ms`,
	`requests, none failed`,
	`rs2 was started again and is in IPVS after \d+ ms`,
	`Director a was killed; clients were without an answer for \d+ ms`,
	`the kernel of a has dropped the VIP by itself`,
	`Director a was stopped;`,
	`failed connection attempts: \d+`,
	`b# usher status\n`,
	`Done: every step happened`,
}

func TestStory(t *testing.T) {
	for _, forward := range methods {
		t.Run(forward, func(t *testing.T) {
			l := suite.New(t, forward)
			var out strings.Builder
			s := &story{Lab: l, out: &out, file: filepath.Join(suite.Root, "conf/examples", forward+".hcl")}
			start := time.Now()
			if err := s.tell(t.Context()); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			// A virtual machine boots in 20 s; both together are to stay below 90.
			if took := time.Since(start); took > time.Minute {
				t.Errorf("the story took %s", took)
			}
			for _, want := range lines {
				if !regexp.MustCompile(want).MatchString(out.String()) {
					t.Errorf("no line %q in\n%s", want, out.String())
				}
			}
		})
	}
}

// fleetLines are what the story of several directors tells, from its start to the first
// event: what becomes of flows in the others has a test of its own.
var fleetLines = []string{
	`spreads what comes for it over all 4`,
	`a# usher status\n`,
	`a carries \d+, b carries \d+, c carries \d+, d carries \d+\n`,
	`over 3 directors; \d+ of 60 moved, 0 lost, 0 answered by another server`,
	`Done: every step happened`,
}

func TestFleet(t *testing.T) {
	l := suite.Routed(t, "dr")
	var out strings.Builder
	f := &fleet{story: &story{Lab: l, out: &out, file: filepath.Join(suite.Root, "conf/examples/bgp.hcl")}, scale: 4}
	if err := f.tell(t.Context(), f.steps()[:3]); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range fleetLines {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
}

// A step that does not happen ends the story with an error.
func TestStoryFails(t *testing.T) {
	l := suite.New(t, "nat")
	broken := labtest.File(t, l.A, "broken.hcl", `vrrp_instance "web" {}`)
	var out strings.Builder
	if err := (&story{Lab: l, out: &out, file: broken}).tell(t.Context()); err == nil {
		t.Errorf("a story with a broken configuration ends well:\n%s", out.String())
	}
}

func TestUnknownMethod(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"-forward", "masq"}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "masq") {
		t.Errorf("exit status %d, %q", code, errs.String())
	}
}
