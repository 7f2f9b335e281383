package keepalived

// Why directives are not carried over. What is not in these tables is unknown.

const (
	realTime  = "usher runs VRRP in a process of its own, in real time where that is permitted"
	oneDaemon = "usher takes it from the command line or its unit file, not from the configuration"
	fifo      = "usher has no FIFO: use notify, webhooks or the event stream of its API"
	snmp      = "usher has no SNMP: use its metrics and API"
	dbus      = "usher has no D-Bus interface: use its API"
	host      = "usher keeps addresses, routes and rules of virtual routers only; "
	network   = "where the machine's own network is configured (systemd-networkd, ifupdown, NetworkManager)"
	buffers   = "usher sizes its buffers itself"
	firewall  = "usher makes the firewall rules that it needs in a table of its own"
	always    = "usher always does so"
)

func topReasons() map[string]string {
	return map[string]string{
		"static_ipaddress":    host + "give these addresses " + network + ", or as virtual_address in the vrrp_instance that they move with",
		"static_routes":       host + "give these routes " + network + ", or as virtual_route in the vrrp_instance that they come and go with",
		"static_rules":        host + "give these rules " + network + ", or as virtual_rule in the vrrp_instance that they come and go with",
		"track_group":         trackGroup,
		"garp_group":          "pace is set for each instance: see garp in its block",
		"linkbeat_interfaces": "usher hears the carrier from the kernel",
		"net_namespace":       oneDaemon + ": run it by ip netns exec", "net_namespace_ipvs": oneDaemon, "namespace_with_ipsets": oneDaemon,
		"instance": oneDaemon, "use_pid_dir": oneDaemon,
		"reload_check_config": always, "reload_file": "usher validates before it applies; there is nothing to lock",
		"reload_time_file": "usher has no timed reload: an address list that differs for a while does no harm", "reload_repeat": "usher has no timed reload",
		"tmp_config_directory": oneDaemon, "config_save_dir": oneDaemon, "child_wait_time": oneDaemon, "random_seed": "usher has no random values in its configuration",
		"umask": oneDaemon, "linkbeat_use_polling": "usher hears the carrier from the kernel",
	}
}

func globalReasons() map[string]string {
	r := map[string]string{
		"enable_script_security": "usher runs scripts without a shell and as the user that is given", "set_supplementary_groups": always,
		"use_symlink_paths": "usher runs programs by the path that is given", "script_security": "usher runs scripts without a shell and as the user that is given",
		"no_email_faults": "mail is set by the words of on", "no_checker_emails": "mail is set by the words of on",
		"checker_log_all_failures": "usher shows each failure in status, and logs changes of state", "rs_init_notifies": "usher does not notify of a server's first state",
		"startup_script": oneDaemon + ": ExecStartPre", "shutdown_script": oneDaemon + ": ExecStopPost", "startup_script_timeout": oneDaemon, "shutdown_script_timeout": oneDaemon,
		"notify_fifo": fifo, "vrrp_notify_fifo": fifo, "lvs_notify_fifo": fifo, "notify_fifo_script": fifo, "vrrp_notify_fifo_script": fifo, "lvs_notify_fifo_script": fifo,
		"fifo_write_vrrp_states_on_reload": fifo, "vrrp_notify_priority_changes": "priorities are in status and metrics; commands are run at changes of state",
		"process_names": oneDaemon, "process_name": oneDaemon, "vrrp_process_name": oneDaemon, "checker_process_name": oneDaemon, "bfd_process_name": oneDaemon,
		"max_auto_priority": realTime, "min_auto_priority_delay": realTime,
		"snmp_socket": snmp, "enable_snmp_vrrp": snmp, "enable_snmp_checker": snmp, "enable_snmp_rfc": snmp, "enable_snmp_rfcv2": snmp, "enable_snmp_rfcv3": snmp,
		"enable_snmp_keepalived": snmp, "enable_traps": snmp, "snmp_vs_stats_update_interval": snmp, "snmp_rs_stats_update_interval": snmp,
		"enable_dbus": dbus, "dbus_service_name": dbus, "dbus_no_interface_name": dbus,
		"lvs_flush":     "usher never touches services that are not its own; its own are brought in line at start",
		"nftables_ipvs": "usher makes one virtual_server of each address of a group", "nftables_ipvs_priority": firewall, "nftables_ipvs_start_fwmark": firewall,
		"nftables": firewall, "nftables_priority": firewall, "nftables_counters": firewall, "nftables_ifindex": firewall,
		"vrrp_iptables": firewall, "vrrp_ipsets": firewall, "disable_local_igmp": firewall,
		"iproute_usr_dir": "tables and scopes are numbers and names of the kernel", "iproute_etc_dir": "tables and scopes are numbers and names of the kernel",
		"log_unknown_vrids": "advertisements of other virtual routers are counted in metrics",
		"default_interface": "each block names its interface", "dynamic_interfaces": always,
		"vrrp_strict":         "usher keeps to RFC 9568 by itself; its hidden drop of packets to the VIP is carried over as accept = false",
		"vrrp_rx_bufs_policy": buffers, "vrrp_rx_bufs_multiplier": buffers, "kernel_rx_buf_size": buffers,
		"vrrp_lower_prio_no_advert": "usher always answers a lower priority, and announces again", "vrrp_higher_prio_send_advert": "usher gives way at once",
		"vrrp_owner_ignore_adverts": "two owners are told apart by their addresses", "vrrp_garp_lower_prio_delay": "after a contest usher announces as after a takeover",
		"vrrp_garp_lower_prio_repeat": "after a contest usher announces as after a takeover", "vrrp_garp_master_refresh_repeat": "a refresh is one announcement of each address",
		"vrrp_garp_extra_if": "usher announces each address on its own interface: give garp a refresh", "vrrp_delay_after_boot": "use startup_delay",
		"vmac_prefix": "usher names its macvlan itself", "vmac_addr_prefix": "usher names its macvlan itself",
		"vrrp_check_unicast_src": always, "vrrp_skip_check_adv_addr": "usher never discards for a differing address list",
		"state_dump_file": "status is in usher status and the API", "stats_dump_file": "status is in usher status and the API", "json_dump_file": "status is in usher status --json",
		"data_use_instance": oneDaemon, "json_version": "usher status --json has one form",
		"smtp_connect_timeout": "it needs smtp_server and notification_email",
	}
	for _, child := range []string{"vrrp", "checker", "bfd"} {
		for _, s := range []string{"_priority", "_rt_priority", "_rlimit_rttime", "_no_swap", "_cpu_affinity", "_rlimit_rtime"} {
			r[child+s] = realTime
		}
		r[child+"_netlink_cmd_rcv_bufs"], r[child+"_netlink_monitor_rcv_bufs"] = buffers, buffers
	}
	for _, s := range []string{"vrrp_netlink_cmd_rcv_bufs_force", "vrrp_netlink_monitor_rcv_bufs_force", "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force", "lvs_netlink_monitor_rcv_bufs_force", "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force"} {
		r[s] = buffers
	}
	r["interface_up_down_delays"] = "keepalived takes it outside of global_defs only"
	for name, reason := range topReasons() {
		r[name] = reason
	}
	return r
}

func instanceReasons() map[string]string {
	return map[string]string{
		"promote_secondaries": "usher puts an address that the kernel removed back by itself",
		"track_src_ip":        "an instance without a source address is in fault by itself", "unicast_fault_no_peer": "unicast without peers is an error in usher",
		"check_unicast_src": always, "old_unicast_checksum": "usher does not speak the checksum of keepalived before 1.3.7",
		"skip_check_adv_addr": "usher never discards for a differing address list", "strict_mode": "usher keeps to RFC 9568 by itself",
		"lower_prio_no_advert": "usher always answers a lower priority, and announces again", "higher_prio_send_advert": "usher gives way at once",
		"owner_ignore_adverts": "two owners are told apart by their addresses", "timer_expired_backup": "usher listens before it claims after a stall",
		"linkbeat_use_polling": "usher hears the carrier from the kernel",
		"vmac_xmit_base":       "adverts with the virtual MAC leave from the interface itself", "use_vmac_addr": "usher puts all addresses of the instance on its macvlan", "use_ipvlan": "usher has virtual_mac, not ipvlan",
		"garp_lower_prio_repeat": "after a contest usher announces as after a takeover", "garp_lower_prio_delay": "after a contest usher announces as after a takeover",
		"garp_master_refresh_repeat": "a refresh is one announcement of each address", "garp_extra_if": "usher announces each address on its own interface: give garp a refresh",
		"kernel_rx_buf_size": buffers, "notify_priority_changes": "priorities are in status and metrics", "notify_deleted": "an instance that a reload removes is reported as stop",
		"native_ipv6": "families are told apart by the addresses", "dynamic_interfaces": always,
		"debug":       "usher has one log level for all",
		"track_group": trackGroup,
	}
}

const trackGroup = host + "to have an instance follow a route or an address of the host, give it a track_script that looks for it"

func serverReasons() map[string]string {
	return map[string]string{
		"ha_suspend": "usher checks servers on both directors, so that the backup knows their state", "omega": "usher does not run notify commands for servers when it stops",
		"sorry_server_inhibit": "a sorry server is out of the table until it is needed", "snmp_name": snmp, "warmup": "usher spreads probes over the interval by itself",
		"nat_mask": "IPVS since Linux 2.4 has no such mask: it translates for each real server by itself", "retry": "only checks have it", "hysteresis": "it needs quorum", "log_all_failures": "usher shows each failure in status, and logs changes of state",
	}
}

func checkReasons() map[string]string {
	return map[string]string{
		"log_all_failures": "usher shows each failure in status, and logs changes of state", "fast_recovery": always,
		"dynamic":       "mode = \"weight\" takes a file's number for the weight itself",
		"tls_compliant": "usher takes the end of a connection for its end",
		"regex_stack":   "Go's expressions need no stack", "regex_min_offset": "the whole body is searched",
		"regex_max_offset": "the whole body is searched", "enable_sni": "the name is sent if there is one: virtualhost or sni_name",
	}
}
