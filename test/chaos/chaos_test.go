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

var suite labtest.Suite

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(labtest.Native(m, &suite))
}

func options() Options {
	return Options{
		Root: suite.Root, Base: filepath.Join(suite.Root, "artifacts"), Usher: suite.Usher, Patience: *patience,
		Worlds: *worlds, Attempts: *attempts, Tell: *seed != 0,
	}
}

// usual is how many seeds every change is tried with, from 1 on.
const usual = 30

// TestSeeds lives through drawn sequences in drawn worlds.
func TestSeeds(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = usual
	}
	var numbers []uint64
	for i := range uint64(n) {
		numbers = append(numbers, *first+i)
	}
	if *seed != 0 {
		numbers = []uint64{*seed}
	}
	var all []Story
	for _, n := range numbers {
		s := DrawSetup(n)
		st := Story{Name: fmt.Sprintf("seed %d (make chaos SEED=%d repeats it)", n, n), Setup: s, Steps: DrawSteps(n, s)}
		if *steps != "" {
			st.Steps = parse(t, strings.Fields(*steps)...)
		}
		all = append(all, st)
	}
	begun := time.Now()
	Tell(t, options(), all)
	t.Logf("%d seeds in %v", len(all), time.Since(begun).Round(time.Second))
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
		for _, s := range []Setup{DrawSetup(n), DrawPoolSetup(n)} {
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
