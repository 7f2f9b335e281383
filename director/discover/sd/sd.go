// Package sd reads lists of targets in the form of Prometheus' file_sd and http_sd: a list
// of groups, each with targets and labels. Of the labels weight and forward_method count,
// the others are for whoever else reads the list.
//
//	answer := sd.JSON([]byte(`[{"targets": ["10.0.0.1:80"], "labels": {"weight": "2"}}]`))
package sd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"usher/director"
	"usher/director/discover"
	"usher/healthcheck"
)

// MaxBytes is how long a list may be.
const MaxBytes = 4 << 20

// The labels that count.
const (
	LabelWeight  = "weight"
	LabelForward = "forward_method"
)

// group is one of the list.
type group[V any] struct {
	Targets []string     `json:"targets" yaml:"targets"`
	Labels  map[string]V `json:"labels" yaml:"labels"`
}

// text is a label's value: a string, or a number that somebody did not write as one.
type text string

// UnmarshalJSON takes strings, and as they are written other values.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = text(s)
	return nil
}

// JSON reads a list as http_sd and files named .json have it.
func JSON(list []byte) discover.Answer {
	var groups []group[text]
	d := json.NewDecoder(bytes.NewReader(list))
	err := d.Decode(&groups)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the list")
		}
	}
	return answer(groups, err)
}

// YAML reads a list as files named .yml and .yaml have it.
func YAML(list []byte) discover.Answer {
	var groups []group[text]
	d := yaml.NewDecoder(bytes.NewReader(list))
	err := d.Decode(&groups)
	if err == nil {
		var more yaml.Node
		if err = d.Decode(&more); err == nil {
			err = errors.New("there are several documents")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return answer(groups, err)
}

func answer(groups []group[text], err error) discover.Answer {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return discover.Fail(discover.ReasonMalformed, "it ends before the list does")
	case err != nil:
		return discover.Fail(discover.ReasonMalformed, "it is no list of targets: "+healthcheck.Printable(err.Error()))
	case groups == nil:
		return discover.Fail(discover.ReasonMalformed, "it holds no list of targets; one without any is []")
	}
	var a discover.Answer
	for _, g := range groups {
		weight, forward, why := labels(g)
		for _, target := range g.Targets {
			addr, err := address(target)
			switch {
			case err != nil:
				a.Ignored = append(a.Ignored, discover.Ignored{Entry: healthcheck.Printable(target), Why: err.Error()})
			case why != "":
				a.Ignored = append(a.Ignored, discover.Ignored{Entry: healthcheck.Printable(target), Why: why})
			default:
				a.Entries = append(a.Entries, discover.Entry{Address: addr, Weight: weight, Forward: forward})
			}
		}
	}
	return a
}

// labels gives what the labels of a group say of its targets, and why that cannot be.
func labels(g group[text]) (weight int, forward director.Forward, why string) {
	weight = discover.NoWeight
	if w, given := g.Labels[LabelWeight]; given {
		n, err := strconv.Atoi(strings.TrimSpace(string(w)))
		if err != nil || n < 0 || n > 65535 {
			return 0, "", fmt.Sprintf("its label weight is %s: it must be a number from 0 to 65535", strconv.Quote(healthcheck.Printable(string(w))))
		}
		weight = n
	}
	if f, given := g.Labels[LabelForward]; given {
		forward = director.Forward(f)
		if !slices.Contains([]director.Forward{director.DR, director.NAT, director.Tun, director.FullNAT}, forward) {
			return 0, "", fmt.Sprintf("its label forward_method is %s: use dr, nat, tun or fullnat", strconv.Quote(healthcheck.Printable(string(f))))
		}
	}
	return weight, forward, ""
}

// address reads ADDRESS:PORT or a bare address, which has port 0.
func address(target string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(target, "["), "]"))
	out := netip.AddrPortFrom(addr, 0)
	if err != nil {
		if out, err = netip.ParseAddrPort(target); err == nil && out.Port() == 0 {
			return out, errors.New("port 0 is none")
		}
	}
	switch {
	case err != nil:
		return out, errors.New("it is no address with a port, such as 192.0.2.1:80; names are looked up by discover \"dns\"")
	case out.Addr().Zone() != "":
		return out, errors.New("it has a zone, which is of one machine")
	case out.Addr().IsUnspecified() || out.Addr().IsMulticast():
		return out, errors.New("no server can have this address")
	}
	return out, nil
}
