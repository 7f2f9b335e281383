package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/conf"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

var (
	seed     = flag.Uint64("seed", 0, "run this seed alone, to repeat a failure")
	seeds    = flag.Int("seeds", 0, "how many seeds TestSeeds runs; 0 for as many as every change is tried with")
	first    = flag.Uint64("first", 1, "the first of them")
	worlds   = flag.Int("worlds", 6, "how many worlds live side by side; they mostly wait")
	patience = flag.Duration("patience", 10*time.Second, "how long directors may take until all is well again")
	attempts = flag.Int("attempts", 24, "how often a sequence that fails is run again to shorten it; 0 for never")
	steps    = flag.String("steps", "", "run these steps, with spaces between, in the world of -seed instead of its own")
)

var (
	bgpOnly = flag.Bool("bgp", false, "run worlds in which directors announce alone")

	suite labtest.Suite
	// withoutIPVS is the program that runs in those.
	withoutIPVS string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(labtest.Native(m, &suite))
}

// needWithoutIPVS builds what announces here.
func needWithoutIPVS(t *testing.T) {
	t.Helper()
	var err error
	if withoutIPVS, err = lab.BuildWithoutIPVS(t.Context(), suite.Root, true); err != nil {
		t.Fatal(err)
	}
}

func options() Options {
	return Options{
		Root: suite.Root, Base: filepath.Join(suite.Root, "artifacts"), Usher: suite.Usher, Patience: *patience,
		WithoutIPVS: withoutIPVS, Worlds: *worlds, Attempts: *attempts, Tell: *seed != 0,
	}
}

// usual is how many seeds every change is tried with, from 1 on, and usualBGP how many of
// worlds in which directors announce.
const (
	usual    = 30
	usualBGP = 6
)

// TestSeeds lives through drawn sequences in drawn worlds.
func TestSeeds(t *testing.T) {
	needWithoutIPVS(t)
	var all []Story
	if !*bgpOnly {
		all = stories(t, usual, "", DrawSetup)
	}
	if *bgpOnly || *seed == 0 && *seeds == 0 {
		all = append(stories(t, usualBGP, "BGP=1 ", DrawBGPSetup), all...)
	}
	begun := time.Now()
	Tell(t, options(), all)
	t.Logf("%d seeds in %v", len(all), time.Since(begun).Round(time.Second))
}

// stories are those of the seeds that are asked for, or of the usual ones.
func stories(t *testing.T, usual int, kind string, draw func(uint64) Setup) (all []Story) {
	t.Helper()
	if *seeds != 0 {
		usual = *seeds
	}
	from, to := *first, *first+uint64(usual)
	if *seed != 0 {
		from, to = *seed, *seed+1
	}
	for n := from; n < to; n++ {
		s := draw(n)
		st := Story{Name: fmt.Sprintf("%sseed %d (make chaos %sSEED=%d repeats it)", strings.ToLower(kind), n, kind, n), Setup: s, Steps: DrawSteps(n, s)}
		if *steps != "" {
			st.Steps = parse(t, strings.Fields(*steps)...)
		}
		all = append(all, st)
	}
	return all
}

func parse(t *testing.T, texts ...string) (all []Step) {
	t.Helper()
	for _, text := range texts {
		s, err := ParseStep(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestSetupsAreValid: what is drawn is a configuration that usher takes.
func TestSetupsAreValid(t *testing.T) {
	for n := uint64(1); n <= 300; n++ {
		for _, s := range []Setup{DrawSetup(n), DrawPoolSetup(n), DrawBGPSetup(n)} {
			for i := range s.Directors {
				text := s.HCL(i, places{"a", "/probe", "/weight", "proc"})
				if _, diags := conf.LoadText("usher.hcl", []byte(text), nil); diags.HasErrors() {
					t.Fatalf("seed %d: %v\n%s", n, diags, text)
				}
			}
		}
	}
}

func TestCatalogue(t *testing.T) {
	names := map[string]bool{}
	for _, a := range Catalogue() {
		if names[a.Name] {
			t.Errorf("two actions are named %s", a.Name)
		}
		names[a.Name] = true
	}
	if len(names) < 60 {
		t.Errorf("%d actions; want 60", len(names))
	}
	s := DrawSetup(7)
	for _, step := range DrawSteps(7, s) {
		if got, err := ParseStep(step.String()); err != nil || got != step {
			t.Errorf("%s is read as %s, %v", step, got, err)
		}
	}
	for _, text := range []string{"", "link-down", "no-such@a:1+1s", "link-down@a:zz+1s", "link-down@a:1+soon"} {
		if s, err := ParseStep(text); err == nil {
			t.Errorf("%q is read as %s", text, s)
		}
	}
}

func TestShrink(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		all := make([]Step, 1+r.IntN(15))
		for i := range all {
			all[i].Draw = uint32(i)
		}
		need := map[uint32]bool{uint32(r.IntN(len(all))): true, uint32(r.IntN(len(all))): true}
		short := Shrink(all, 1000, func(less []Step) bool {
			n := 0
			for _, s := range less {
				if need[s.Draw] {
					n++
				}
			}
			return n == len(need)
		})
		if len(short) != len(need) {
			t.Fatalf("%d steps of %d are left; %d are needed", len(short), len(all), len(need))
		}
	}
	asked := 0
	if Shrink(make([]Step, 15), 5, func([]Step) bool { asked++; return false }); asked != 5 {
		t.Errorf("asked %d times, not 5", asked)
	}
}
