package plan

import (
	"context"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/conf"
	"usher/director/discover/engine"
)

// Input is what a plan is made of.
type Input struct {
	Want *conf.Config
	// From is what runs, and Now its status; nil where nothing does.
	From *conf.Config
	Now  *api.Status
	At   time.Time // of Now
	Here Here
	// Found is what the sources of real servers list; nil where there are none.
	Found *engine.Once
	// Planner gives what knows of the kernel's IPVS, for a configuration with the servers
	// that were found; nil where nothing of it is concerned.
	Planner func(want *conf.Config) (Planner, error)
}

// Make gives the whole plan: that of the command line and that of the API are one.
func Make(ctx context.Context, in Input) (Plan, error) {
	p := Compare(in.Want, in.From)
	p.AddProblems(in.Want, in.Here)
	if in.Now != nil {
		p.AddPeers(in.Want, *in.Now, in.At)
	}
	want := in.Want
	if in.Found != nil {
		p.AddDiscovered(in.Found)
		want = want.Discovered(in.Found.Servers)
	}
	planner, err := in.Planner(want)
	if err != nil || planner == nil {
		return p, err
	}
	return p, p.AddIPVS(ctx, planner, want)
}
