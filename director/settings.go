package director

import (
	"time"

	"usher/director/ipvs"
)

// Settings are what the director sets in the kernel besides services. Nil and
// zero leave the kernel's own value. What was there before is put back by Stop.
type Settings struct {
	// ManageSysctls lets the director write sysctls. Without, one that differs
	// from what is needed is an error that says what to set.
	ManageSysctls bool

	TCPTimeout    time.Duration // whole seconds
	TCPFinTimeout time.Duration
	UDPTimeout    time.Duration

	ExpireNodestConn        *bool
	ExpireQuiescentTemplate *bool
	Conntrack               *bool
	SloppyTCP               *bool
	ConnReuseMode           *int // 0..2

	Sync *Sync
}

// Sync is the connection synchronisation daemon: master while the instance is
// active, backup otherwise. Director.SetActive says which.
type Sync struct {
	Instance string          // name of the VRRP instance
	Daemon   ipvs.SyncDaemon // Role is not used
}
