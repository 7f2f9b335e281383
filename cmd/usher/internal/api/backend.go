package api

import (
	"context"
	"errors"
	"net/http"

	"usher/cmd/usher/internal/events"
	"usher/healthcheck/redact"
)

// Backend is what the handlers ask of the daemon. Its errors wrap ErrUnknown or
// ErrRefused where the caller is to blame.
type Backend interface {
	Status() Status
	// Histories are the active connections of real servers over the last ten minutes,
	// by virtual server and address: a value every ten seconds, oldest first. Those
	// that had none are left out.
	Histories() map[string]map[string][]uint32
	// Stuck says where the daemon itself gets no further, which a new start may mend; ""
	// where it does its work, whatever the kernel, a peer or a server makes of that.
	Stuck() string
	Events() *events.Ring
	// Config is the running configuration as a JSON-ready value, without secrets.
	Config() any
	// Secrets are the values that no answer shows; nil for none.
	Secrets() *redact.Set

	// Variables are the values with which it loads the configuration.
	Variables() Variables

	Reload(ctx context.Context) error
	Plan(ctx context.Context) (any, error)
	// Steer, Failover, Maintenance and Announce give what has come of it, in a line for people.
	Steer(ctx context.Context, s Steer) (string, error)
	Failover(ctx context.Context, n Name, by string) (string, error)
	Maintenance(ctx context.Context, s Switch, by string) (string, error)
	// Announce lifts the withdrawal of an announcement, or withdraws it.
	Announce(ctx context.Context, a Announcing, on bool, by string) (string, error)
}

// Variables are values of the configuration's variables, by name.
type Variables struct {
	Given       map[string]string `json:"given"`       // by --var, which wins
	Environment map[string]string `json:"environment"` // by USHER_VAR_name
}

// ErrUnknown is for the name of an object that is not there.
var ErrUnknown = errors.New("unknown")

// ErrRefused is for what is well understood and not done, such as a reload of an
// invalid file. Nothing was changed.
var ErrRefused = errors.New("refused")

// Health says whether a person is needed now.
type Health struct {
	OK       bool     `json:"ok"`
	Verdict  Verdict  `json:"verdict"`
	Problems []string `json:"problems"` // what needs a person now; empty where OK
}

// Steer is an operator's word about one real server.
type Steer struct {
	VirtualServer string `json:"virtual_server"`
	RealServer    string `json:"real_server"` // address:port
	Weight        *int   `json:"weight,omitempty"`
	Force         bool   `json:"force,omitempty"` // also where no server is left that takes new connections
	Local         bool   `json:"local,omitempty"` // for this director alone, not for its peers
	// ForSeconds is after how long it is lifted by itself; 0 for never. Not with enable.
	ForSeconds int64  `json:"for_seconds,omitempty"`
	Reason     string `json:"reason,omitempty"` // why, a line of up to 200 bytes; not with enable

	Mode string `json:"-"` // drain, enable, disable or weight: the last part of the path
	By   string `json:"-"` // the user at the other end
}

// Name is the request of failover.
type Name struct {
	Instance string `json:"instance"`
	NoWait   bool   `json:"no_wait,omitempty"` // answer once it has begun, not with what has come of it
}

// Switch is the request of maintenance.
type Switch struct {
	On     bool `json:"on"`
	Force  bool `json:"force,omitempty"`   // on, though no peer takes over
	NoWait bool `json:"no_wait,omitempty"` // answer once it has begun, not with what has come of it
}

// Done is the answer of everything that steers.
type Done struct {
	Message string `json:"message"`
}

// Failure is the answer of everything that went wrong.
type Failure struct {
	Error  string `json:"error"`            // one line
	Detail string `json:"detail,omitempty"` // as `usher validate` prints it
}

// DetailedError is an error with more for people to read than its one line.
type DetailedError struct {
	Err  error
	Text string
}

// Error gives the one line.
func (e *DetailedError) Error() string { return e.Err.Error() }

// Unwrap gives what Err wraps.
func (e *DetailedError) Unwrap() error { return e.Err }

// statusOf is the HTTP status of a backend's error.
func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, ErrRefused):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}
