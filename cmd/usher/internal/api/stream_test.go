package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/events"
)

// TestLongPoll waits for an event, and not longer than asked.
func TestLongPoll(t *testing.T) {
	b := apitest.New(api.Status{})
	server := httptest.NewServer(api.Handler(b, metricsDouble(), false, nil))
	defer server.Close()
	get := func(query string) api.EventList {
		t.Helper()
		resp, err := http.Get(server.URL + "/api/v1/events?" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var l api.EventList
		if err := json.NewDecoder(resp.Body).Decode(&l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := get("wait=10ms"); len(l.Events) != 0 || l.Last != 0 {
		t.Errorf("nothing happened: %+v", l)
	}
	answers := make(chan api.EventList)
	go func() { answers <- get("wait=60s&instance=web") }()
	b.Events().Add(events.Event{Instance: "other"})
	b.Events().Add(events.Event{Instance: "web", Kind: "state"})
	if l := <-answers; len(l.Events) != 1 || l.Events[0].Seq != 2 || l.Last != 2 {
		t.Errorf("the poll gave %+v", l)
	}
}

// TestLongPollOutlastsTheWriteLimit: a server that bounds the writing of an answer
// does not take the waiting for it; one that has waited in vain is told so.
func TestLongPollOutlastsTheWriteLimit(t *testing.T) {
	const limit = 50 * time.Millisecond
	server := httptest.NewUnstartedServer(api.Handler(apitest.New(api.Status{}), metricsDouble(), false, nil))
	server.Config.WriteTimeout = limit
	server.Start()
	defer server.Close()
	resp, err := http.Get(server.URL + "/api/v1/events?wait=" + (3 * limit).String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var l api.EventList
	if err := json.NewDecoder(resp.Body).Decode(&l); err != nil || resp.StatusCode != http.StatusOK || l.Events == nil {
		t.Errorf("%s, %v, %+v", resp.Status, err, l)
	}
}

// TestStreamPatches: after the first round only what changed is sent, and names
// again when any came or went.
func TestStreamPatches(t *testing.T) {
	s := status()
	s.VirtualServers = append(s.VirtualServers, api.VirtualServer{Name: "mail"})
	b := apitest.New(s)
	server := httptest.NewServer(api.Handler(b, metricsDouble(), false, nil))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rounds := make(chan round)
	go readRounds(resp.Body, rounds)

	first := <-rounds
	if first.name != "status" || !slices.Equal(first.names(t), []string{"web", "mail"}) || !slices.Equal(first.patch.Order, []string{"web", "mail"}) {
		t.Fatalf("first: %s %v %v", first.name, first.names(t), first.patch.Order)
	}
	if got := first.patch.Histories["web"]; len(got) != 1 {
		t.Errorf("the first round has the histories %v", first.patch.Histories)
	}
	b.Change(func(s *api.Status) { s.VirtualServers[1].Up = true })
	b.Events().Add(events.Event{})
	if r := <-rounds; r.name != "patch" || !slices.Equal(r.names(t), []string{"mail"}) || r.patch.Order != nil || r.patch.Histories != nil {
		t.Errorf("second: %s %v %v %v", r.name, r.names(t), r.patch.Order, r.patch.Histories)
	}
	b.Change(func(s *api.Status) { s.VirtualServers = s.VirtualServers[:1] })
	b.Events().Add(events.Event{})
	if r := <-rounds; len(r.names(t)) != 0 || !slices.Equal(r.patch.Order, []string{"web"}) {
		t.Errorf("third: %v %v", r.names(t), r.patch.Order)
	}
}

type round struct {
	name  string
	patch api.Patch
}

func (r round) names(t *testing.T) []string {
	t.Helper()
	names := []string{}
	for _, raw := range r.patch.VirtualServers {
		var v api.VirtualServer
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		names = append(names, v.Name)
	}
	return names
}

func readRounds(body interface{ Read([]byte) (int, error) }, rounds chan<- round) {
	var text []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		text = append(text, buf[:n]...)
		for {
			block, rest, whole := bytes.Cut(text, []byte("\n\n"))
			if !whole {
				break
			}
			text = rest
			head, data, _ := bytes.Cut(block, []byte("\ndata: "))
			r := round{name: strings.TrimPrefix(string(head), "event: ")}
			if json.Unmarshal(data, &r.patch) == nil {
				rounds <- r
			}
		}
		if err != nil {
			return
		}
	}
}
