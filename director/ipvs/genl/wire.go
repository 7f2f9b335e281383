package genl

import "usher/director/ipvs"

// Generic netlink commands of the family "IPVS" (linux/ip_vs.h).
const (
	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewDest    = 5
	cmdSetDest    = 6
	cmdDelDest    = 7
	cmdGetDest    = 8
	cmdNewDaemon  = 9
	cmdDelDaemon  = 10
	cmdGetDaemon  = 11
	cmdGetInfo    = 15
)

// Attributes of a command.
const (
	attrService = 1
	attrDest    = 2
	attrDaemon  = 3
)

// Attributes of a service.
const (
	svcFamily    = 1
	svcProtocol  = 2
	svcAddress   = 3
	svcPort      = 4
	svcMark      = 5
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9
	svcStats     = 10
	svcEngine    = 11
	svcStats64   = 12
)

// Attributes of a destination.
const (
	dstAddress    = 1
	dstPort       = 2
	dstForward    = 3
	dstWeight     = 4
	dstUpper      = 5
	dstLower      = 6
	dstActive     = 7
	dstInactive   = 8
	dstPersistent = 9
	dstStats      = 10
	dstFamily     = 11
	dstStats64    = 12
	dstTunType    = 13
	dstTunPort    = 14
	dstTunFlags   = 15
)

// Attributes of statistics, 32 bits wide in Stats and 64 in Stats64.
const (
	statConnections = 1
	statPacketsIn   = 2
	statPacketsOut  = 3
	statBytesIn     = 4
	statBytesOut    = 5
	statCPS         = 6
	statPPSIn       = 7
	statPPSOut      = 8
	statBPSIn       = 9
	statBPSOut      = 10
)

// Attributes of a synchronisation daemon.
const (
	daemonState     = 1
	daemonInterface = 2
	daemonID        = 3
	daemonMaxLen    = 4
	daemonGroup4    = 5
	daemonGroup6    = 6
	daemonPort      = 7
	daemonTTL       = 8
)

// flagHashed is set by the kernel in every service that it has.
const flagHashed ipvs.Flags = 0x2
