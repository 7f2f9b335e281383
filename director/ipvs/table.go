package ipvs

import "net/netip"

// Protocol is an IP protocol number that IPVS balances.
type Protocol uint8

// The protocols of a service; ProtocolNone for one of a firewall mark.
const (
	ProtocolNone Protocol = 0
	TCP          Protocol = 6
	UDP          Protocol = 17
	SCTP         Protocol = 132
)

// ServiceKey is the identity of a virtual service: protocol, address and port, or
// a firewall mark and family. It is comparable and is what the kernel finds by.
type ServiceKey struct {
	Protocol Protocol
	Address  netip.Addr // invalid for a mark
	Port     uint16     // 0 for every port (with persistence)
	Mark     uint32     // 0 unless the service is one of a firewall mark
	IPv6     bool       // family of a mark service; derived from Address otherwise
}

// Service is the settings of a virtual service: everything that can be edited in
// place. It is comparable.
type Service struct {
	Scheduler   string // rr, wrr, lc, ...
	Flags       Flags
	Persistence uint32 // seconds; 0 for none
	Netmask     uint8  // prefix length of persistence, 1..32 or 1..128; 32 or 128 where not persistent
	Engine      string // persistence engine, "" or "sip"
}

// Flags are the service flags that a person sets. The kernel's own bit (hashed)
// is masked out on reading.
type Flags uint32

// The flags of linux/ip_vs.h.
const (
	Persistent Flags = 0x1
	OnePacket  Flags = 0x4
	Sched1     Flags = 0x8  // sh-fallback, mh-fallback
	Sched2     Flags = 0x10 // sh-port, mh-port
	Sched3     Flags = 0x20
)

// DestinationKey is the identity of a real server within its service.
type DestinationKey struct {
	Address netip.Addr
	Port    uint16
}

// Destination is the settings of a real server, all of which can be edited in
// place. It is comparable.
type Destination struct {
	Weight  uint32
	Forward Forward
	Upper   uint32 // connections above which it gets no more; 0 for no bound
	Lower   uint32 // below which it gets them again
	Tunnel  Tunnel // zero unless Forward is Tun
}

// Forward is how a packet reaches a real server.
type Forward uint8

// The kernel's forward methods, as linux/ip_vs.h numbers them (IP_VS_CONN_F_MASQ and so on).
const (
	NAT   Forward = 0 // masquerading
	Local Forward = 1
	Tun   Forward = 2
	DR    Forward = 3
)

// TunnelType is the encapsulation of Tun.
type TunnelType uint8

// The encapsulations.
const (
	IPIP TunnelType = 0
	GUE  TunnelType = 1
	GRE  TunnelType = 2
)

// Tunnel is the encapsulation of one destination.
type Tunnel struct {
	Type  TunnelType
	Port  uint16 // GUE only
	Flags uint16 // TunnelCsum, TunnelRemCsum
}

// The checksum options of GUE and GRE.
const (
	TunnelCsum    uint16 = 0x1
	TunnelRemCsum uint16 = 0x2
)

// Route is the way of a connection: which service it came for and which real
// server it was given to.
type Route struct {
	Service ServiceKey // protocol, address and port; also for services of a mark
	Dest    DestinationKey
}

// Entry is one service with its destinations.
type Entry struct {
	Service      Service
	Destinations map[DestinationKey]Destination
}

// Table is a whole IPVS table, counters apart.
type Table map[ServiceKey]Entry

// Counters are the kernel's running totals and rates of a service or destination.
type Counters struct {
	Active, Inactive, Persistent uint32 // connections now; of destinations only
	Connections                  uint64
	PacketsIn, PacketsOut        uint64
	BytesIn, BytesOut            uint64
	ConnectionRate               uint64 // per second
	PacketRateIn, PacketRateOut  uint64
	ByteRateIn, ByteRateOut      uint64
}

// ServiceCounters are the counters of one service and of its destinations.
type ServiceCounters struct {
	Service      Counters
	Destinations map[DestinationKey]Counters
}

// CounterTable holds the counters of many services.
type CounterTable map[ServiceKey]ServiceCounters

// Timeouts are the kernel's idle times of connections, in whole seconds. Zero
// leaves a value as it is when set, and is never read back.
type Timeouts struct{ TCP, TCPFin, UDP uint32 }

// SyncRole is what a connection synchronisation daemon does.
type SyncRole uint32

// The roles, as the kernel numbers them (IP_VS_STATE_MASTER and _BACKUP).
const (
	SyncMaster SyncRole = 1
	SyncBackup SyncRole = 2
)

// String gives the word that ipvsadm uses.
func (r SyncRole) String() string {
	switch r {
	case SyncMaster:
		return "master"
	case SyncBackup:
		return "backup"
	}
	return "none"
}

// SyncDaemon is a connection synchronisation daemon of the kernel. Zero values
// other than Role and Interface take the kernel's defaults (sync id 0, group
// 224.0.0.81, port 8848, TTL 1).
type SyncDaemon struct {
	Role      SyncRole
	Interface string
	ID        uint8
	Group     netip.Addr
	Port      uint16
	TTL       uint8
	MaxLength uint16 // of a message in bytes
}

// Plus gives the sum of c and o.
func (c Counters) Plus(o Counters) Counters {
	c.Active += o.Active
	c.Inactive += o.Inactive
	c.Persistent += o.Persistent
	c.Connections += o.Connections
	c.PacketsIn += o.PacketsIn
	c.PacketsOut += o.PacketsOut
	c.BytesIn += o.BytesIn
	c.BytesOut += o.BytesOut
	c.ConnectionRate += o.ConnectionRate
	c.PacketRateIn += o.PacketRateIn
	c.PacketRateOut += o.PacketRateOut
	c.ByteRateIn += o.ByteRateIn
	c.ByteRateOut += o.ByteRateOut
	return c
}

// Subset gives the entries of t whose keys are in keys.
func (t Table) Subset(keys map[ServiceKey]bool) Table {
	out := Table{}
	for key, e := range t {
		if keys[key] {
			out[key] = e
		}
	}
	return out
}
