package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"usher/cmd/usher/internal/events"
	"usher/healthcheck/files"
	"usher/vrrp/timespan"
)

// How many of the latest events outlive the daemon, and how long they are gathered
// before they are written.
const (
	keptEvents  = 500
	gatherFor   = time.Second
	eventsFile  = "events.json"
	eventsLimit = 4 << 20 // bytes that the file may have
)

// eventLog is the file of the latest events.
type eventLog struct {
	// Running says that the daemon that wrote it had not stopped: found at a start, that
	// one was killed, crashed, or went down with the machine.
	Running bool           `json:"running"`
	Saved   time.Time      `json:"saved"`
	Events  []events.Event `json:"events"`
}

// eventStore keeps the latest events in the state folder.
type eventStore struct {
	state *stateFolder
	ring  *events.Ring
	log   *slog.Logger
}

// recall takes up the events of the daemon before this one, and gives what is to be said
// of its end, and whether it is known to have stopped as it should.
func (s *eventStore) recall() (crash string, stopped bool) {
	path := filepath.Join(s.state.path, eventsFile)
	text, err := files.Soon(path, eventsLimit)
	if errors.Is(err, os.ErrNotExist) {
		return "", false
	}
	var log eventLog
	if err == nil {
		err = json.Unmarshal(text, &log)
	}
	if err != nil {
		s.log.Warn("the events before this start are lost", "file", path, "error", err)
		return "", false
	}
	s.ring.Restore(log.Events)
	if !log.Running {
		return "", true
	}
	return fmt.Sprintf("the usher before this one did not stop: it was killed, crashed, or went down with the machine, after %s", timespan.At(log.Saved)), false
}

// keep writes the latest events soon after they happened.
func (s *eventStore) keep(ctx context.Context) error {
	failed := ""
	for {
		_, _, more := s.ring.List(events.Filter{Limit: 1})
		switch err := s.save(true); {
		case err == nil:
			failed = ""
		case err.Error() != failed: // told once; there is a worse word for a disk that is full
			failed = err.Error()
			s.log.Warn("events are not kept for a restart", "error", err)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
		gather := time.NewTimer(gatherFor)
		select {
		case <-gather.C:
		case <-ctx.Done():
			gather.Stop()
			return nil
		}
	}
}

func (s *eventStore) save(running bool) error {
	list, _, _ := s.ring.List(events.Filter{Limit: keptEvents})
	text, err := json.Marshal(eventLog{Running: running, Saved: time.Now(), Events: list})
	if err != nil {
		return err
	}
	return s.state.write(eventsFile, text)
}
