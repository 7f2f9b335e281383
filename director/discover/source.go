package discover

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"usher/director"
)

// Kind is the kind of a source, as the label of a discover block has it.
type Kind string

// The kinds.
const (
	KindDNS  Kind = "dns"
	KindFile Kind = "file"
	KindHTTP Kind = "http"
)

// Source is where servers of a pool are listed, complete: defaults are resolved before.
type Source struct {
	Kind Kind
	// Name is the source's for people and metrics, unique in its pool. It shows nothing
	// that could be secret.
	Name string

	// What servers have whose entry does not say otherwise.
	Port    uint16           // 0 for the service's
	Weight  int              // 0..65535
	Forward director.Forward // "" for the pool's

	Interval    time.Duration // the longest time between two questions
	MinInterval time.Duration // the shortest, whatever a TTL says, and the first pause after a failure
	Timeout     time.Duration // of one question, over all that it takes
	AllowEmpty  bool          // an answer without servers is obeyed
	MaxServers  int           // an answer with more is no answer
	MaxLeave    float64       // fraction 0..1 of the pool's servers that may leave in one step

	// The one of its kind is set.
	DNS  *DNS  `json:",omitempty"`
	File *File `json:",omitempty"`
	HTTP *HTTP `json:",omitempty"`
}

// DNS are records of a name.
type DNS struct {
	Name    string
	Type    string           // A, AAAA or SRV
	Servers []netip.AddrPort // asked in order; none for those of /etc/resolv.conf
	IPv6    bool             // targets of SRV records are looked up as AAAA instead of A
}

// File are files in the form of Prometheus' file_sd.
type File struct {
	Paths []string // absolute; the last element may be a pattern of filepath.Match
}

// HTTP is a URL that answers in the form of Prometheus' http_sd.
type HTTP struct {
	URL        string
	CAFile     string // certificates that sign the server's; "" for the system's
	CertFile   string // client certificate, PEM; "" for none
	KeyFile    string
	ServerName string // in SNI and in the certificate; "" for the URL's host
	Insecure   bool   // the certificate is not verified
	TokenFile  string // holds a bearer token, read at each question; "" for none
}

// Same tells whether two sources list the same: their sets are each other's.
func (s *Source) Same(o *Source) bool { return s.identity() == o.identity() }

// identity is what the source lists, whatever is made of it.
func (s *Source) identity() string {
	switch {
	case s.DNS != nil:
		return fmt.Sprintf("dns %s %s %v %v", strings.ToLower(s.DNS.Name), s.DNS.Type, s.DNS.IPv6, s.DNS.Servers)
	case s.File != nil:
		return fmt.Sprintf("file %q", s.File.Paths)
	case s.HTTP != nil:
		return "http " + s.HTTP.URL
	}
	return string(s.Kind)
}

// Place is where the source is asked: a DNS server, a host or a folder, which may hang.
func (s *Source) Place() string {
	switch {
	case s.DNS != nil:
		return fmt.Sprint("dns ", s.DNS.Servers)
	case s.File != nil && len(s.File.Paths) > 0:
		return "file " + path.Dir(s.File.Paths[0])
	case s.HTTP != nil:
		if u, err := url.Parse(s.HTTP.URL); err == nil {
			return "http " + u.Host
		}
	}
	return string(s.Kind)
}

// Equal tells whether two sources are the same in everything that reading them depends on.
func (s *Source) Equal(o *Source) bool {
	if s.Kind != o.Kind || s.Interval != o.Interval || s.MinInterval != o.MinInterval || s.Timeout != o.Timeout || s.MaxServers != o.MaxServers || s.AllowEmpty != o.AllowEmpty {
		return false
	}
	if s.HTTP != nil && o.HTTP != nil && *s.HTTP != *o.HTTP {
		return false
	}
	return s.Same(o)
}
