package conf

import "strings"

// instead says what usher has for a word of keepalived's that it does not know in a
// block, or "".
func instead(block, word string) string {
	for _, words := range []map[string]string{
		map[string]map[string]string{"": insteadOnTop(), "vrrp_instance": insteadInInstances(), "vrrp_sync_group": insteadInGroups()}[block],
		insteadOfChecks(block), insteadAnywhere(),
	} {
		if text := words[word]; text != "" {
			return " " + text
		}
		if text := words[strings.TrimPrefix(word, "vrrp_")]; text != "" && block == "global" {
			return " " + text
		}
	}
	return ""
}

func insteadOnTop() map[string]string {
	const host = "They are the machine's own: configure them where its network is. Those that move with a VIP are virtual_route, virtual_rule and virtual_address in a vrrp_instance."
	return map[string]string{
		"global_defs":          "Write global { ... }.",
		"vrrp_script":          `Write track_script "NAME" { command = ["PROGRAM", "ARGUMENT"] } in each vrrp_instance that follows it.`,
		"vrrp_track_process":   `Write track_process "PROCESS" { ... } in the vrrp_instance.`,
		"track_file":           `Write track_file "PATH" { ... } in the vrrp_instance.`,
		"vrrp_track_file":      `Write track_file "PATH" { ... } in the vrrp_instance.`,
		"bfd_instance":         `Write bfd "NAME" { ... }.`,
		"virtual_server_group": `Write a virtual_server for each address; one takes a range, too: address = "192.0.2.10-20:80".`,
		"static_ipaddress":     host, "static_routes": host, "static_rules": host,
		"include": "usher reads each file that -c names, and every *.hcl of a folder.",
	}
}

func insteadInInstances() map[string]string {
	notify := func(on string) string {
		return `Write notify { ... } with command = ["PROGRAM", "ARGUMENT"] and on = ["` + on + `"].`
	}
	garp := func(key string) string { return "Write garp { " + key + " }." }
	return map[string]string{
		"state":                      "Leave it out: every router starts as backup, and the priority decides.",
		"virtual_ipaddress":          `Write virtual_addresses = ["192.0.2.1/24"].`,
		"virtual_ipaddress_excluded": `Write virtual_address "192.0.2.1/24" { excluded = true }.`,
		"virtual_routes":             `Write a virtual_route "192.0.2.0/24" { via = "192.0.2.1" } for each.`,
		"virtual_rules":              `Write a virtual_rule { ... } for each.`,
		"nopreempt":                  "Write preempt = false.", "no_accept": "Write accept = false.", "use_vmac": "Write virtual_mac = true.",
		"unicast_src_ip": `Write unicast { source = "192.0.2.2" }.`, "unicast_peer": `Write unicast { peers = ["192.0.2.3"] }.`,
		"mcast_src_ip": "Write source4 or source6.", "mcast_dst_ip": "Write multicast_group4 or multicast_group6.",
		"garp_master_delay": garp(`delay = "5s"`), "garp_master_repeat": garp("repeat = 5"), "garp_master_refresh": garp(`refresh = "60s"`), "garp_interval": garp(`pace = "10ms"`),
		"notify_master": notify("active"), "notify_backup": notify("backup"), "notify_fault": notify("fault"), "notify_stop": notify("stop"),
		"auth_hmac":  `Write authentication { ... } with type = "hmac".`,
		"smtp_alert": "Write email { ... }.", "strict_mode": "Leave it out: usher keeps to RFC 9568.",
	}
}

func insteadInGroups() map[string]string {
	return map[string]string{"group": `Write instances = ["NAME", "NAME"].`}
}

// insteadOfChecks are those of health checks and of what keepalived lets them inherit.
func insteadOfChecks(block string) map[string]string {
	words := map[string]string{
		"http_get": "http", "ssl_get": "https", "tcp_check": "tcp", "smtp_check": "smtp", "dns_check": "dns", "misc_check": "exec",
		"ping_check": "ping", "udp_check": "udp", "bfd_check": "bfd", "file_check": "file",
	}
	for name, kind := range words {
		words[name] = `Write health_check "` + kind + `" { ... }.`
	}
	if block != "virtual_server" && block != "real_server" {
		return words
	}
	for name, key := range map[string]string{
		"delay_loop": `interval = "6s"`, "connect_timeout": `timeout = "3s"`, "retry": "fall = 3", "nb_get_retry": "fall = 3", "delay_before_retry": `fast_interval = "1s"`, "virtualhost": `host = "www.example.org"`,
	} {
		words[name] = "Write " + key + " in a health_check."
	}
	words["quorum_up"], words["quorum_down"] = `Write notify { ... } with on = ["up"].`, `Write notify { ... } with on = ["down"].`
	words["notify_up"], words["notify_down"] = `Write notify { ... } with on = ["server_up"] in the virtual_server.`, `Write notify { ... } with on = ["server_down"] in the virtual_server.`
	words["inhibit_on_failure"] = `Write on_failure = "quiesce" in the virtual_server or in one real_server.`
	words["alpha"] = "Leave it out: servers are out until their first probe."
	words["smtp_alert"] = "Write email { ... } in the virtual_server."
	return words
}

// anywhere are words that stand in one place alone.
func insteadAnywhere() map[string]string {
	return map[string]string{
		"time_window": `Write window = "5s".`,
		"auth_type":   `Write type = "pass".`, "auth_pass": "Write password.",
		"script": `Write command = ["PROGRAM", "ARGUMENT"].`, "misc_path": `Write command = ["PROGRAM", "ARGUMENT"].`, "misc_timeout": "Write timeout.",
		"connect_ip": "Write address.", "connect_port": "Write port.", "bindto": "Write bind_address.", "helo_name": "Write helo.",
		"url": `Write path = "/".`, "status_code": `Write expect_status = ["200"].`, "regex": "Write expect_body_regex.", "digest": "Write expect_body_md5.",
		"notification_email": `Write email { ... } with to = ["..."].`, "smtp_server": "Write email { ... } with server.",
		"lvs_sync_daemon": "Write ipvs { sync { ... } }.", "lvs_timeouts": "Write ipvs { ... } with tcp_timeout, tcp_fin_timeout and udp_timeout.",
		"script_user":            "Write user where a command is.",
		"strict":                 "Leave it out: usher keeps to RFC 9568.",
		"version":                "Write version in the vrrp_instance.",
		"enable_script_security": "Leave it out: usher runs commands without a shell and as the user that is given.",
		"lvs_flush":              "Leave it out: usher brings its own services in line at start and leaves others alone.",
	}
}
