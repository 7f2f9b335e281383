package discover

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// FieldError is something wrong with one field of a Source.
type FieldError struct {
	Key     string // configuration key, such as "url" or "paths[1]"
	Problem string
	Hint    string // what to write instead; may be empty
}

// Error gives the whole sentence.
func (e *FieldError) Error() string {
	s := "discover: " + e.Key + ": " + e.Problem
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Field is the configuration key that is at fault.
func (e *FieldError) Field() string { return e.Key }

// Validate gives everything that is wrong with a source, as *FieldError.
func (s *Source) Validate() (all []error) {
	add := func(key, problem, hint string) { all = append(all, &FieldError{key, problem, hint}) }
	if s.MinInterval > s.Interval {
		add("min_interval", fmt.Sprintf("%s is longer than interval, which is %s", s.MinInterval, s.Interval), "it is the shortest time between two questions, interval the longest")
	}
	if s.MaxLeave < 0 || s.MaxLeave > 1 {
		add("max_leave", fmt.Sprintf("%g is outside 0 to 1", s.MaxLeave), "it is a fraction of the pool's servers")
	}
	switch {
	case s.DNS != nil:
		if why := badName(s.DNS.Name); why != "" {
			add("name", why, "write it as _web._tcp.service.example")
		}
	case s.File != nil:
		s.File.validate(add)
	case s.HTTP != nil:
		s.HTTP.validate(add)
	}
	return all
}

// badName says why a name cannot be asked for, "" where it can (RFC 1035, 2.3.4).
func badName(name string) string {
	bare := strings.TrimSuffix(name, ".")
	switch {
	case bare == "":
		return "it is empty"
	case len(bare) > 253:
		return "it is longer than 253 bytes"
	}
	for label := range strings.SplitSeq(bare, ".") {
		switch {
		case label == "":
			return "it has two dots in a row, or one in front"
		case len(label) > 63:
			return "it has a part that is longer than 63 bytes"
		case strings.ContainsFunc(label, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '/' || r == ':' }):
			return "it has a character that no name has here"
		}
	}
	return ""
}

// Extensions are those of files that can be read.
var Extensions = []string{".json", ".yml", ".yaml"}

func (f *File) validate(add func(key, problem, hint string)) {
	if len(f.Paths) == 0 {
		add("paths", "there is no path", "")
	}
	for i, p := range f.Paths {
		key := fmt.Sprintf("paths[%d]", i)
		folder, last := path.Split(p)
		switch _, err := path.Match(last, "x"); {
		case err != nil:
			add(key, "it is no pattern: "+err.Error(), "")
		case strings.ContainsAny(folder, "*?["):
			add(key, "a pattern can only be in its last part", "write a path for each folder")
		case !slices.Contains(Extensions, path.Ext(last)):
			add(key, "its end does not say in which form it is", "it must end in .json, .yml or .yaml")
		}
	}
}

func (h *HTTP) validate(add func(key, problem, hint string)) {
	u, err := url.Parse(h.URL)
	switch {
	case err != nil:
		add("url", "it is no URL", "write it as https://cmdb.example/targets")
		return
	case u.Scheme != "http" && u.Scheme != "https":
		add("url", "it begins with neither http:// nor https://", "")
	case u.Hostname() == "":
		add("url", "it has no host", "")
	case u.Fragment != "":
		add("url", "what follows # is never sent", "leave it out")
	}
	for key, given := range map[string]bool{"ca_file": h.CAFile != "", "cert_file": h.CertFile != "", "key_file": h.KeyFile != "", "server_name": h.ServerName != "", "insecure": h.Insecure} {
		if given && u.Scheme == "http" {
			add(key, "the URL has no TLS", "write https://, or leave it out")
		}
	}
	if (h.CertFile == "") != (h.KeyFile == "") {
		add("cert_file", "a client certificate needs cert_file and key_file", "give both")
	}
}
