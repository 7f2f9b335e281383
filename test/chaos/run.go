package chaos

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Options say where and how sequences are run.
type Options struct {
	Root  string // the checkout; worlds that failed are kept in its folder of results
	Base  string // folder below which each world has its own
	Usher string // the program under test
	// WithoutIPVS is the same with an IPVS in memory, for worlds in which directors announce.
	WithoutIPVS string
	Patience    time.Duration // until all is well again; 10 s is what is promised
	Worlds      int           // how many live side by side; they mostly wait
	Attempts    int           // how often a sequence that fails is run again to shorten it
	Tell        bool          // log what was done in a sequence that went well, too
}

// Outcome is what came of a sequence.
type Outcome struct {
	Faults []Fault // none where all was well
	Dir    string  // logs and kernel tables; "" where all was well
	Took   time.Duration
	Trace  string
}

// Failed says whether anything was wrong.
func (o *Outcome) Failed() bool { return len(o.Faults) > 0 }

// calm is how long all has to stay well.
const calm = 400 * time.Millisecond

// Run builds a world, lets the steps happen in it, leaves it alone, and ends it. An
// error is one of the world's own making.
func Run(ctx context.Context, o Options, s Setup, steps []Step) (*Outcome, error) {
	usher := o.Usher
	if s.BGP != nil {
		usher, o.Patience = o.WithoutIPVS, o.Patience+bgpPatience
	}
	w, err := newWorld(ctx, o.Base, usher, s, o.Patience)
	if err != nil {
		return nil, err
	}
	out := &Outcome{}
	out.Faults, err = w.live(ctx, steps)
	out.Took, out.Trace = time.Since(w.began), w.Trace()
	if err != nil || out.Failed() {
		out.Dir = w.keep(o.Root, out)
	}
	if closing := w.close(); err == nil {
		err = closing
	}
	return out, err
}

// live is the world's life from the start of the directors to their end.
func (w *World) live(ctx context.Context, steps []Step) ([]Fault, error) {
	for _, d := range w.directors {
		if err := d.start(ctx); err != nil {
			return []Fault{{kindStart, err.Error()}}, nil
		}
	}
	if faults := w.settle(ctx); len(faults) > 0 {
		return faults, nil
	}
	for _, d := range w.directors {
		var err error
		if d.counts, err = d.count(ctx); err != nil {
			return nil, err
		}
	}
	w.note("all is well; the sequence begins")
	for _, s := range steps {
		w.do(ctx, s)
	}
	if err := w.heal(ctx); err != nil {
		return nil, err
	}
	faults := w.settle(ctx)
	faults = append(faults, w.end()...)
	return append(faults, w.logs()...), ctx.Err()
}

// settle leaves the world alone until all is well, and stays well; else it returns
// what is not.
func (w *World) settle(ctx context.Context) (faults []Fault) {
	begun := time.Now()
	var well time.Time
	last := ""
	for {
		faults = w.judge(ctx)
		if text := fmt.Sprint(faults); text != last {
			w.note("%v", faults)
			last = text
		}
		switch {
		case len(faults) > 0:
			well = time.Time{}
			if time.Since(begun) > w.patience {
				return faults
			}
		case well.IsZero():
			well = time.Now()
		case time.Since(well) > calm:
			return nil
		}
		if ctx.Err() != nil {
			return faults
		}
		wait(ctx, 120*time.Millisecond)
	}
}

// end has every director end in good order and looks at what remains.
func (w *World) end() (faults []Fault) {
	for _, d := range w.directors {
		if d.running() {
			if err := d.run.Stop(); err != nil {
				faults = append(faults, Fault{kindStop, err.Error()})
			}
		}
	}
	for _, d := range w.directors {
		faults = append(faults, d.remains()...)
	}
	return faults
}

// remains looks at what is there of usher's after its end.
func (d *Director) remains() (faults []Fault) {
	fault := func(kind, format string, a ...any) {
		faults = append(faults, Fault{kind, d.Name + ": after the end: " + fmt.Sprintf(format, a...)})
	}
	k, err := look(d.Node)
	if err != nil {
		fault(kindRemains, "%v", err)
	}
	if !d.ignorant() {
		for _, what := range k.remains() {
			fault(kindRemains, "%s", what)
		}
	}
	for _, in := range d.setup.Instances {
		for _, what := range k.leftovers(in, d.others()) {
			if strings.HasPrefix(what, "address") {
				fault(kindRemains, "%s", what)
			}
		}
	}
	for _, what := range d.remainsAnnounced(&k) {
		fault(kindRemains, "%s", what)
	}
	left, err := d.strangers()
	if err != nil {
		fault(kindRemains, "%v", err)
	}
	for _, what := range left {
		fault(kindRemains, "%s", what)
	}
	after, err := settings(d.Node, watched)
	if err != nil {
		fault(kindSettings, "%v", err)
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if _, touched := d.touched[key]; !touched && !d.spoilt && after[key] != d.before[key] {
			fault(kindSettings, "%s is %s; it was %s", key, after[key], d.before[key])
		}
	}
	if d.setup.Forward != "" {
		if list, err := d.Destinations(); err != nil || len(list) > 0 {
			fault(kindRemains, "the IPVS table has %v %v", list, err)
		}
	}
	return faults
}

// ignorant says that the state folder was spoilt, and that usher has said that it does
// not know what to look for.
func (d *Director) ignorant() bool {
	b, err := os.ReadFile(filepath.Join(d.Dir, "usher.log"))
	return d.spoilt && err == nil && strings.Contains(string(b), "the usher before this one held is not known")
}

// bad is what no log may have.
var bad = regexp.MustCompile(`(?m)^(panic: |fatal error: |.*DATA RACE|runtime: |goroutine \d+ \[|.*unexpected fault).*$`)

// logs looks for what a program says that does not work.
func (w *World) logs() (faults []Fault) {
	for _, d := range w.directors {
		b, err := os.ReadFile(filepath.Join(d.Dir, "usher.log"))
		if err != nil {
			continue // it was never started
		}
		if line := bad.Find(b); line != nil {
			faults = append(faults, Fault{kindLog, fmt.Sprintf("%s: %s", d.Name, line)})
		}
	}
	return faults
}

// keep leaves logs, kernel tables and the state folder for a person, where they outlive
// a virtual machine, and says where.
func (w *World) keep(root string, o *Outcome) string {
	w.Collect()
	for _, d := range w.directors {
		if err := os.CopyFS(filepath.Join(d.Dir, "state"), os.DirFS(filepath.Join(d.Dir, "lib"))); err != nil {
			w.note("  the state folder of %s is not kept: %v", d.Name, err)
		}
	}
	text := o.Trace
	for _, f := range o.Faults {
		text += f.String() + "\n"
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "trace.txt"), []byte(text), 0o644); err != nil {
		w.note("  %v", err)
	}
	kept, err := w.Preserve(root)
	if err != nil {
		return fmt.Sprintf("%s (not all: %v)", w.Dir, err)
	}
	return kept
}
