package conf

import (
	"errors"
	"fmt"
	"slices"

	"usher/director"
	"usher/director/discover"
)

// Pool is what the virtual server's sources work with.
func (v *VirtualServer) Pool() discover.Config {
	c := discover.Config{Server: v.VirtualServer, Sources: v.Discover}
	if v.Template != nil {
		c.Default, c.Admit = v.Template.Server, v.admit
	}
	return c
}

// admit says why the checks and the kernel cannot have a discovered server.
func (v *VirtualServer) admit(r director.RealServer) error {
	t := v.Template
	if t.Alike && len(v.Keys) > 0 && r.Address.Addr().Is6() != v.Keys[0].Is6() {
		return errors.New("it is of another address family than the service, which the kernel refuses while it synchronises connections (global.ipvs.sync)")
	}
	if len(t.Target.Checks) == 0 {
		return nil
	}
	target := t.target(r.Address, marksFirst)
	for _, err := range target.Validate() {
		problem, _ := parts(err)
		return fmt.Errorf("it cannot be checked: %s", problem)
	}
	return nil
}

// With is the virtual server with servers that were discovered, and their checks.
func (v VirtualServer) With(servers []discover.Server) VirtualServer {
	if len(servers) == 0 || v.Template == nil {
		return v
	}
	v.Real = slices.Grow(slices.Clip(v.Real), len(servers))
	v.Targets = slices.Grow(slices.Clip(v.Targets), len(servers))
	for _, s := range servers {
		rs := s.RealServer
		if v.Template.via() {
			rs.ProbeMark = preferredMark(v.Name, rs.Address)
		}
		v.Real = append(v.Real, rs)
		if len(v.Template.Target.Checks) > 0 {
			v.Targets = append(v.Targets, v.Template.target(rs.Address, rs.ProbeMark))
		}
	}
	return v
}

// Discovered is the configuration with the servers that servers has for each virtual
// server that has sources. The configuration itself stays as it is.
func (c *Config) Discovered(servers func(virtualServer string) []discover.Server) *Config {
	out, marked := *c, false
	out.VirtualServers = slices.Clone(c.VirtualServers)
	for i := range out.VirtualServers {
		if v := &out.VirtualServers[i]; len(v.Discover) > 0 {
			*v = v.With(servers(v.Name))
			marked = marked || v.Template.via()
		}
	}
	if marked {
		distinctMarks(out.VirtualServers)
	}
	return &out
}

// WithDiscovered is c, which has discovered servers, with those that the virtual server of
// an index has by now. written is the same configuration without any. Others change only
// in the marks of their probes.
func (c *Config) WithDiscovered(written *Config, at int, servers func(virtualServer string) []discover.Server) *Config {
	v := &written.VirtualServers[at]
	if v.Template != nil && v.Template.via() {
		return written.Discovered(servers)
	}
	out := *c
	out.VirtualServers = slices.Clone(c.VirtualServers)
	out.VirtualServers[at] = v.With(servers(v.Name))
	return &out
}

// Sources are the pools of the configuration that have sources.
func (c *Config) Sources() []discover.Config {
	var all []discover.Config
	for i := range c.VirtualServers {
		if v := &c.VirtualServers[i]; len(v.Discover) > 0 {
			all = append(all, v.Pool())
		}
	}
	return all
}
