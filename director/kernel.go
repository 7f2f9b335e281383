package director

import "usher/director/ipvs"

// Op is one change of the kernel's IPVS table.
type Op = ipvs.Op

// Kernel is what the director asks of the kernel's IPVS. Package genl has the
// real one (genl.Open), package ipvstest the double; both pass ipvstest.Contract.
// All methods may be called from several goroutines at once.
//
// Errors carry the kernel's errno: unix.EEXIST (add of what is there),
// unix.ESRCH (no such service), unix.ENOENT (no such destination, or no such
// scheduler or persistence engine, which then is an *ipvs.ModuleError).
type Kernel interface {
	// Read gives the whole table, also what others put there.
	Read() (ipvs.Table, error)
	// Entry gives one service with its destinations; false where it is not there.
	Entry(key ipvs.ServiceKey) (ipvs.Entry, bool, error)
	// Counters gives the counters of the services named, of all without any. A
	// service that is not there is left out.
	Counters(keys ...ipvs.ServiceKey) (ipvs.CounterTable, error)
	// Totals gives the counters of every service, those of destinations left out.
	Totals() (map[ipvs.ServiceKey]ipvs.Counters, error)
	// Apply does ops in order and goes on after one that failed. It returns nil if
	// all succeeded, else as many errors as ops, nil where one succeeded.
	Apply(ops []ipvs.Op) []error

	// HalfOpen counts TCP connections that a real server has not answered yet.
	HalfOpen() (map[ipvs.Route]int, error)

	// Timeouts and SetTimeouts read and write the idle times of connections.
	Timeouts() (ipvs.Timeouts, error)
	SetTimeouts(ipvs.Timeouts) error

	// SyncDaemons, StartSync and StopSync handle connection synchronisation. There
	// is at most one daemon of each role: starting a second is unix.EEXIST,
	// stopping one that does not run unix.ESRCH.
	SyncDaemons() ([]ipvs.SyncDaemon, error)
	StartSync(ipvs.SyncDaemon) error
	StopSync(ipvs.SyncDaemon) error
}
