package engine

import (
	"errors"
	"fmt"
	"slices"

	"usher/director"
)

// requests are configurations on their way into the state.
type requests struct {
	pending  *request        // not looked at yet
	current  *request        // what the present pass has taken up
	owed     *request        // in the kernel as far as is believed, and not yet compared with it
	settings *settingRequest // not looked at yet
	singles  []single        // virtual servers that were changed one at a time
}

// request is a whole configuration.
type request struct {
	servers []director.VirtualServer
	taken   bool // it is adopted, and whoever waits is to hear how the kernel was found
	done    []chan<- error
}

// settingRequest is another version of the settings.
type settingRequest struct {
	settings director.Settings
	done     []chan<- error
}

// single is a virtual server that was changed alone, and is not in the kernel yet.
type single struct {
	name string
	done chan<- error
}

// apply takes a whole configuration, the newest.
func (r *requests) apply(servers []director.VirtualServer, done chan<- error) {
	r.pending = (&request{servers: servers, done: []chan<- error{done}}).joined(r.pending)
}

// configure takes settings, the newest.
func (r *requests) configure(s director.Settings, done chan<- error) {
	next := &settingRequest{settings: s, done: []chan<- error{done}}
	if r.settings != nil {
		next.done = append(next.done, r.settings.done...)
	}
	r.settings = next
}

// take gives what a pass has to take up.
func (r *requests) take() (*request, *settingRequest) {
	r.current = r.pending.joined(r.owed)
	set := r.settings
	r.pending, r.settings, r.owed = nil, nil, nil
	return r.current, set
}

// release ends what take began.
func (r *requests) release() { r.current = nil }

// again has a configuration that could not be taken tried in a later pass, unless there is
// a newer one.
func (r *requests) again(req *request) {
	if !req.taken && r.pending == nil {
		r.pending = &request{servers: req.servers}
	}
}

// amend puts one virtual server into the newest configuration that no pool has yet. It
// tells whether there is one; with an error it has changed nothing.
func (r *requests) amend(vs director.VirtualServer, done chan<- error) (there bool, err error) {
	req := r.pending
	if req == nil {
		req = r.current
	}
	if req == nil || req.taken {
		return false, nil
	}
	i := slices.IndexFunc(req.servers, func(old director.VirtualServer) bool { return old.Name == vs.Name })
	if i < 0 {
		return true, unknown(vs.Name)
	}
	servers := slices.Clone(req.servers)
	servers[i] = vs
	if errs := director.ValidateSet(servers); len(errs) > 0 {
		return true, errors.Join(errs...)
	}
	req.servers, req.done = servers, append(req.done, done)
	return true, nil
}

// takeSingles gives the virtual servers that this pass brings into the kernel.
func (r *requests) takeSingles() []single {
	taken := r.singles
	r.singles = nil
	return taken
}

// answerSingles tells what became of them. Where the next pass follows at once, since the
// table was not as it was believed to be, it is that which has the answer for those that failed.
func (r *requests) answerSingles(taken []single, failed []failure, next bool) {
	for _, one := range taken {
		err := joined(failed, one.name)
		if next && unexpected(err) {
			r.singles = append(r.singles, one)
			continue
		}
		one.done <- err
	}
}

// answerAll tells everybody who waits for one virtual server of an error.
func (r *requests) answerAll(err error) {
	for _, one := range r.takeSingles() {
		one.done <- err
	}
}

// joined is the newer request, whose outcome those hear who wait for the older one,
// too. Either may be nil.
func (r *request) joined(older *request) *request {
	if r == nil {
		return older
	}
	if older != nil {
		r.done = append(r.done, older.done...)
	}
	return r
}

func (r *request) answer(err error) {
	for _, done := range r.done {
		done <- err
	}
	r.done = nil
}

func (r *settingRequest) answer(err error) {
	for _, done := range r.done {
		done <- err
	}
}

// unknown is the error of a virtual server that is not configured.
func unknown(name string) error { return fmt.Errorf("director: no virtual server %q", name) }
