package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"usher/cmd/usher/internal/events"
)

// Patch is what one round of GET /api/v1/stream carries: the status without its
// virtual servers, those virtual servers that changed, and all names in order
// where any came or went. The first round, named status, carries everything.
type Patch struct {
	Status         json.RawMessage   `json:"status"`
	VirtualServers []json.RawMessage `json:"virtual_servers"`
	Order          []string          `json:"order,omitempty"`
	// Histories come with the first round: the active connections of real servers, by
	// virtual server and address, a value every ten seconds, oldest first.
	Histories map[string]map[string][]uint32 `json:"histories,omitempty"`
}

// pieces are the patch as JSON, without a copy of what is encoded already.
func (p Patch) pieces() [][]byte {
	out := [][]byte{[]byte(`{"status":`), p.Status, []byte(`,"virtual_servers":[`)}
	for i, v := range p.VirtualServers {
		if i > 0 {
			out = append(out, []byte(","))
		}
		out = append(out, v)
	}
	out = append(out, []byte("]"))
	if len(p.Order) > 0 {
		out = append(out, []byte(`,"order":`), mustJSON(p.Order))
	}
	if len(p.Histories) > 0 {
		out = append(out, []byte(`,"histories":`), mustJSON(p.Histories))
	}
	return append(out, []byte("}"))
}

// feed turns the status into patches. All streams share one rendering, which is
// made when a stream asks for it: with nobody watching it costs nothing.
type feed struct {
	backend Backend

	mu      sync.Mutex
	at      time.Time
	round   uint64
	head    json.RawMessage
	order   []string
	ordered uint64 // round in which order changed
	items   map[string]*item
}

type item struct {
	body    json.RawMessage
	changed uint64 // round
}

func newFeed(b Backend) *feed { return &feed{backend: b, items: map[string]*item{}} }

// fresh is how old a rendering may be to serve another stream.
const fresh = 200 * time.Millisecond

// since gives what changed after a round, and the present round. Round 0 gives all.
func (f *feed) since(round uint64) (Patch, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) > fresh {
		f.render(f.backend.Status())
		f.at = time.Now()
	}
	p := Patch{Status: f.head, VirtualServers: []json.RawMessage{}}
	if round == 0 {
		p.Histories = f.backend.Histories()
	}
	if f.ordered > round {
		p.Order = f.order
	}
	for _, name := range f.order {
		if i := f.items[name]; i.changed > round {
			p.VirtualServers = append(p.VirtualServers, i.body)
		}
	}
	return p, f.round
}

func (f *feed) render(s Status) {
	f.round++
	seen := make(map[string]bool, len(s.VirtualServers))
	order := make([]string, 0, len(s.VirtualServers))
	for _, vs := range s.VirtualServers {
		order = append(order, vs.Name)
		seen[vs.Name] = true
		for i := range vs.RealServers {
			for j := range vs.RealServers[i].Checks { // these change with every probe and are not shown
				vs.RealServers[i].Checks[j].LastRun, vs.RealServers[i].Checks[j].NextRun = nil, nil
			}
		}
		body := f.shown(vs)
		if old := f.items[vs.Name]; old == nil || !bytes.Equal(old.body, body) {
			f.items[vs.Name] = &item{body: body, changed: f.round}
		}
	}
	gone := len(order) != len(f.order)
	for i := range order {
		gone = gone || order[i] != f.order[i]
	}
	if gone || f.round == 1 {
		f.order, f.ordered = order, f.round
	}
	for name := range f.items {
		if !seen[name] {
			delete(f.items, name)
		}
	}
	s.VirtualServers = []VirtualServer{}
	f.head = f.shown(s)
}

// mustJSON encodes one of the documents above, none of which can fail to encode.
func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("api: " + err.Error())
	}
	return b
}

// shown is a document without secrets. It is made once for all streams.
func (f *feed) shown(v any) json.RawMessage { return f.backend.Secrets().JSON(mustJSON(v)) }

// period is the pause between two rounds: a large director is rendered less often,
// so that a watcher costs a few percent of a CPU at most.
func period(virtualServers int) time.Duration {
	switch {
	case virtualServers <= 100:
		return time.Second
	case virtualServers <= 500:
		return 2 * time.Second
	}
	return max(4*time.Second, time.Duration(virtualServers)*4*time.Millisecond)
}

// stream sends the status, then what changes in it, until the client leaves.
// Between rounds it waits, but an event is followed by a round at once.
func (h *handlers) stream(w http.ResponseWriter, r *http.Request) {
	s, ok := openStream(w)
	if !ok {
		return
	}
	var round uint64
	name := "status"
	for {
		_, _, more := h.backend.Events().List(events.Filter{Limit: 1})
		patch, now := h.feed.since(round)
		if !s.write(name, "", patch.pieces()...) {
			return
		}
		round, name = now, "patch"
		if !h.pause(r, more) {
			return
		}
	}
}

// pause waits for the next round; false when the client is gone.
func (h *handlers) pause(r *http.Request, more <-chan struct{}) bool {
	h.feed.mu.Lock()
	wait := period(len(h.feed.order))
	h.feed.mu.Unlock()
	next := time.NewTimer(wait)
	defer next.Stop()
	select {
	case <-next.C:
		return true
	case <-r.Context().Done():
		return false
	case <-more:
	}
	// What caused the event is let finish, and a storm of events makes five rounds
	// a second at most, of a large director fewer.
	soon := time.NewTimer(max(fresh+10*time.Millisecond, wait/20))
	defer soon.Stop()
	select {
	case <-soon.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
