package conf

import "time"

func globalBlock() *block {
	return &block{name: "global", doc: "The program as a whole. May be left out.", keys: []key{
		{name: "router_id", kind: kindText, doc: "Name of this director in status, events and alerts; the host name where not given."},
		{name: "state", kind: kindText, value: "/var/lib/usher", doc: "Folder of what outlives the program: ownership, overrides, the last good configuration. Several ushers on one machine differ in it and in `control`."},
		{name: "control", kind: kindText, value: "/run/usher/usher.sock", doc: "Unix socket, mode 0660, of the command line and of everything that changes state."},
		{name: "http", kind: kindText, value: "127.0.0.1:9765", doc: "`host:port` of the read-only status page, metrics and status API; `\"\"` turns it off."},
		{name: "http_hosts", kind: kindTexts, doc: "Names by which browsers and monitoring may call that page, such as `lb1.example.org`; its address, `localhost`, the host name and `router_id` always do. A request by any other name is refused, for it may be a foreign web page's."},
		{name: "on_stop", kind: kindText, value: "clean", oneOf: []string{"clean", "keep"}, doc: "What becomes of the IPVS table when usher stops, after the VIPs are given up."},
		{name: "manage_sysctls", kind: kindFlag, value: true, doc: "Set the kernel settings that the configuration needs, such as `ip_forward`, and put them back on exit. Without it, a missing one is an error that says what to set."},
	}, blocks: append([]*block{
		{name: "log", doc: "Logging to stderr.", keys: []key{
			{name: "level", kind: kindText, value: "info", oneOf: []string{"debug", "info", "warn", "error"}, doc: "Least important message that is written."},
			{name: "format", kind: kindText, value: "text", oneOf: []string{"text", "json"}, doc: "Form of a line."},
		}},
		{name: "remote", doc: "The control API over TLS, for those with a client certificate. A reload reads the files again, and ends connections of those whom the new authorities do not let in. There are no revocation lists: give out certificates that are valid for hours or days, or replace the authority.", keys: []key{
			{name: "listen", kind: kindText, required: true, doc: "`host:port`."},
			{name: "cert_file", kind: kindText, required: true, doc: "The server's certificate chain, PEM."},
			{name: "key_file", kind: kindText, required: true, doc: "Its key, PEM."},
			{name: "client_ca_file", kind: kindText, required: true, doc: "Certificates, PEM; who has one signed by them may steer."},
		}},
		ipvsBlock(),
	}, alertBlocks(allWords()...)...)}
}

func ipvsBlock() *block {
	return &block{name: "ipvs", doc: "Settings of IPVS as a whole. What is not given stays as the kernel has it.", keys: []key{
		{name: "tcp_timeout", kind: kindDuration, step: time.Second, bounds: span(time.Second, forever), doc: "Idle time of an established TCP connection, whole seconds."},
		{name: "tcp_fin_timeout", kind: kindDuration, step: time.Second, bounds: span(time.Second, forever), doc: "Time of a TCP connection after a FIN, whole seconds."},
		{name: "udp_timeout", kind: kindDuration, step: time.Second, bounds: span(time.Second, forever), doc: "Idle time of a UDP flow, whole seconds."},
		{name: "expire_nodest_conn", kind: kindFlag, doc: "Forget a connection at once when its real server is gone. On where not given, if there are virtual servers and `manage_sysctls` is on."},
		{name: "expire_quiescent_template", kind: kindFlag, doc: "Forget persistence to a real server of weight 0. On where not given, if there are virtual servers and `manage_sysctls` is on."},
		{name: "conntrack", kind: kindFlag, doc: "Keep connection tracking of connections through IPVS; fullnat turns it on by itself."},
		{name: "sloppy_tcp", kind: kindFlag, doc: "Take up TCP connections in their middle, which a director needs that takes over without synchronisation. On where not given, if a virtual server of scheduler `mh` is announced."},
		{name: "schedule_icmp", kind: kindFlag, doc: "Schedule ICMP errors of connections that this director does not have, as a new one: with several directors, a router's word on a smaller MTU comes to any of them. On where not given, if a virtual server is announced."},
		{name: "conn_reuse_mode", kind: kindNumber, bounds: bounds{0, 3}, doc: "What a new connection from a port still in the table means, as in the kernel's documentation of `conn_reuse_mode`."},
	}, blocks: []*block{
		{name: "sync", doc: syncDoc, keys: []key{
			{name: "interface", kind: kindText, required: true, doc: "Interface of the multicast messages."},
			{name: "instance", kind: kindText, doc: "The `vrrp_instance` whose state it follows. Without one, master and backup run at once, as all directors that announce the same addresses do."},
			{name: "id", kind: kindNumber, value: 0, bounds: bounds{0, 255}, doc: "Sync ID; directors hear those of their own only."},
			{name: "group", kind: kindIP, doc: "Multicast group; the kernel's 224.0.0.81 where not given."},
			{name: "port", kind: kindNumber, bounds: bounds{1, 65535}, doc: "UDP port; the kernel's 8848 where not given."},
			{name: "ttl", kind: kindNumber, bounds: bounds{1, 255}, doc: "TTL of messages; the kernel's 1 where not given."},
			{name: "max_length", kind: kindNumber, bounds: bounds{68, 65507}, doc: "Greatest message in bytes; by the interface's MTU where not given."},
		}},
	}}
}

const syncDoc = "Connection synchronisation: master while the instance is active, backup otherwise. " +
	"The kernel tells the peer of connections up to 2 s after they opened, so after a change of roles both run for 4 s, and a clean stop takes as long. " +
	"With `accept = false` on the instance the new active director meanwhile drops packets of a connection that it has not heard of, which TCP sends again; " +
	"otherwise its own TCP resets the connection. With `manage_sysctls`, `net.ipv4.vs.sync_threshold` and `sync_refresh_period` that are as the kernel starts " +
	"become `0 0` and `10`: a connection is told as soon as it is open."
