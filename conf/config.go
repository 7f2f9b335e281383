package conf

import (
	"net/netip"
	"time"

	"usher/director"
	"usher/director/announce"
	"usher/director/discover"
	"usher/healthcheck"
	"usher/vrrp"
)

// Config is a whole configuration, valid and complete: defaults, inheritance and
// references are resolved. It is plain data and survives a round trip through
// encoding/json, secrets included; for showing it to people there is Redacted.
type Config struct {
	Global         Global
	Peers          *Peers     `json:",omitempty"` // other directors; nil for none
	Instances      []Instance // in the order of the files
	Groups         []Group
	VirtualServers []VirtualServer
	BFD            []BFD
	BGP            *BGP                    // nil where there is no such block
	Announce       []announce.Announcement // in the order of the files

	// Files are the configuration files and those that the function file read, in
	// the order of reading: what a watcher has to watch.
	Files []string

	// Sensitive are values that its files mark as secret or read from others: see Secrets.
	Sensitive []string `json:",omitempty"`

	// Blank says that there is nothing in the files, not even a global block.
	Blank bool `json:"-"`
}

// Global is what concerns the program as a whole.
type Global struct {
	RouterID      string
	State         string   // folder of ownership, overrides, last good configuration
	Control       string   // path of the unix socket
	HTTP          string   // host:port of the read-only page and metrics; "" for off
	HTTPHosts     []string // names by which the page may be called, beside its address and this director's names
	Remote        *Remote
	Log           Log
	OnStop        string // "clean" or "keep": what becomes of the IPVS table
	ManageSysctls bool
	IPVS          IPVS
	Alerts        // for everything of this director
}

// Log is how the program logs to stderr.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
}

// Remote is the control API over TLS with client certificates.
type Remote struct {
	Listen       string // host:port
	CertFile     string
	KeyFile      string
	ClientCAFile string // who is let in: certificates signed by these
}

// IPVS are settings of the kernel's IPVS as a whole. Nil and zero leave the
// kernel's own value.
type IPVS struct {
	TCPTimeout    time.Duration
	TCPFinTimeout time.Duration
	UDPTimeout    time.Duration

	ExpireNodestConn        *bool
	ExpireQuiescentTemplate *bool
	Conntrack               *bool
	SloppyTCP               *bool
	ScheduleICMP            *bool
	ConnReuseMode           *int

	Sync *Sync
}

// Sync is the connection synchronisation daemon, which follows the VRRP state of
// an instance.
type Sync struct {
	Interface string
	ID        uint8
	Instance  string     // "" for master and backup at once
	Group     netip.Addr // multicast group; invalid for the kernel's own
	Port      uint16     // 0 for the kernel's own
	TTL       uint8      // 0 for the kernel's own
	MaxLength uint16     // of a sync message in bytes; 0 for the kernel's own
}

// Instance is a virtual router and who hears of it.
type Instance struct {
	vrrp.Config
	Alerts
}

// Group is a sync group and who hears of it.
type Group struct {
	vrrp.Group
	Alerts
}

// VirtualServer is a pool, the checks of its servers and who hears of it.
type VirtualServer struct {
	director.VirtualServer
	// Targets are the servers that have checks, real and sorry ones.
	Targets []healthcheck.Target
	// Discover are where more servers are listed, and Template what those have.
	Discover []discover.Source `json:",omitempty"`
	Template *Template         `json:",omitempty"`
	Alerts
}

// BFD is a BFD session that instances track by its name.
type BFD struct {
	Name      string
	Address   netip.Addr
	Interface string // that the neighbour is on; "" for where the routing table says
	Mark      uint32 // SO_MARK; 0 for none
	healthcheck.BFD
}

// BGP is this director as a BGP speaker, and whom it speaks with.
type BGP struct {
	announce.Local
	Peers []announce.Peer
}

// Announcing is what is to be announced by BGP, and to whom.
func (c *Config) Announcing() announce.Config {
	a := announce.Config{Announcements: c.Announce}
	if c.BGP != nil {
		a.Local, a.Peers = c.BGP.Local, c.BGP.Peers
	}
	return a
}

// Alerts is who hears of changes of an object.
type Alerts struct {
	Notify   []Notify  `json:",omitempty"`
	Webhooks []Webhook `json:",omitempty"`
	Emails   []Email   `json:",omitempty"`
}

// Notify is a command that is run, without a shell, at changes of state.
type Notify struct {
	Command     []string
	NoArguments bool     `json:",omitempty"` // nothing is appended to Command
	On          []string // the words of NotifyWords; never empty
	User        string   // "" for usher's own
	Timeout     time.Duration
}

// Webhook is a URL that gets a document at changes of state.
type Webhook struct {
	URL     string
	On      []string
	Secret  string // key of the HMAC-SHA256 signature header; "" for none
	CAFile  string
	Timeout time.Duration // of one attempt
	Retries int           // attempts after the first, with back-off
	// Body makes what is sent, of ContentType; where it is "" that is usher's own JSON document.
	Body        BodyTemplate
	ContentType string
}

// Email is a message sent at changes of state.
type Email struct {
	Server   string // host:port
	From     string
	To       []string
	On       []string
	StartTLS string // require, prefer or never
	User     string // "" for no authentication
	Password string
	HELO     string
	CAFile   string
	Timeout  time.Duration
}

// VRRP is what the VRRP process shall run.
func (c *Config) VRRP() vrrp.Desired {
	var d vrrp.Desired
	for _, i := range c.Instances {
		d.Instances = append(d.Instances, i.Config)
	}
	for _, g := range c.Groups {
		d.Groups = append(d.Groups, g.Group)
	}
	return d
}

// Pools are the virtual servers as the director wants them.
func (c *Config) Pools() []director.VirtualServer {
	all := make([]director.VirtualServer, 0, len(c.VirtualServers))
	for _, v := range c.VirtualServers {
		all = append(all, v.VirtualServer)
	}
	return all
}

// Targets are the servers of all pools that have checks.
func (c *Config) Targets() []healthcheck.Target {
	n := 0
	for _, v := range c.VirtualServers {
		n += len(v.Targets)
	}
	all := make([]healthcheck.Target, 0, n)
	for _, v := range c.VirtualServers {
		all = append(all, v.Targets...)
	}
	return all
}
