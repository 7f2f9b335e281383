package engine

import (
	"context"
	"sync"
	"time"

	"usher/director/discover"
)

// Once is what sources said when they were asked once.
type Once struct {
	order []string
	pools map[string]*discover.Pool
}

// Look asks each source of pools once, on top of what a state folder has of them ("" for
// nothing), and gives what came of it. It changes nothing, in the state folder neither.
// Where ctx ends first, the last good sets are what there is.
func Look(ctx context.Context, pools []discover.Config, state string, open func(discover.Source) Reader) *Once {
	o := &Once{pools: make(map[string]*discover.Pool, len(pools))}
	var mu sync.Mutex
	var wait sync.WaitGroup
	turns := turns{}
	for _, c := range pools {
		p := discover.NewPool(c)
		if state != "" {
			p.Restore(Kept(state, c.Server.Name))
		}
		o.order, o.pools[c.Server.Name] = append(o.order, c.Server.Name), p
		for i, s := range c.Sources {
			turn := turns.of(&s)
			wait.Go(func() {
				give, ok := take(ctx, turn)
				if !ok {
					return
				}
				defer give()
				within, cancel := context.WithTimeout(ctx, s.Timeout)
				defer cancel()
				reader := open(s)
				defer reader.Close()
				answer := reader.Read(within)
				mu.Lock()
				defer mu.Unlock()
				p.Step(i, answer, time.Now())
			})
		}
	}
	wait.Wait()
	return o
}

// Servers gives the discovered servers of a pool.
func (o *Once) Servers(virtualServer string) []discover.Server {
	if p := o.pools[virtualServer]; p != nil {
		return p.Servers()
	}
	return nil
}

// Of gives the name of the source that lists a server.
func (o *Once) Of(virtualServer string, s discover.Server) string {
	return o.pools[virtualServer].Sources()[s.Source].Name
}

// Status gives every source, in configured order.
func (o *Once) Status() (all []Status) {
	for _, name := range o.order {
		all = appendStatus(all, name, o.pools[name])
	}
	return all
}
