package conf

import (
	"slices"
	"time"

	"usher/healthcheck"
)

func checkBlock() *block {
	b := &block{name: "health_check", labels: []string{"type"}, many: true, common: commonKeys(),
		doc: "A check of every server (in `virtual_server`) or of one. One in `real_server` of the same type, and `name` where there is one, overrides the keys that it gives; another adds a check."}
	add := func(t healthcheck.Type, doc string, own ...key) {
		b.variants = append(b.variants, &block{name: b.name, labels: []string{string(t)}, many: true, doc: doc, keys: slices.Concat(commonKeys(), own)})
	}
	add(healthcheck.TypeTCP, "A TCP connection; with `send` and `expect` a short talk.", append(append(talkKeys(), proxyKey()), tlsKeys(true)...)...)
	add(healthcheck.TypeHTTP, "An HTTP request.", httpKeys()...)
	add(healthcheck.TypeHTTPS, "An HTTP request over TLS.", append(httpKeys(), tlsKeys(false)...)...)
	add(healthcheck.TypeTLS, "A TLS handshake and the certificate.", tlsKeys(false)...)
	add(healthcheck.TypeUDP, "A datagram and its answer.", udpKeys()...)
	add(healthcheck.TypeDNS, "A DNS question.", dnsKeys()...)
	add(healthcheck.TypeSMTP, "A greeting to a mail server.", append([]key{
		{name: "helo", kind: kindText, doc: "Name given in EHLO; the host name where not given."},
		{name: "starttls", kind: kindFlag, value: false, doc: "Go on to TLS and verify the certificate."},
	}, tlsKeys(false)...)...)
	add(healthcheck.TypePing, "An ICMP echo.")
	add(healthcheck.TypeGRPC, "The standard gRPC health service.", append([]key{
		{name: "service", kind: kindText, value: "", doc: "Service that is asked for; the whole server where empty."},
		{name: "authority", kind: kindText, doc: "The :authority header; the address where not given."},
	}, tlsKeys(true)...)...)
	for _, t := range []healthcheck.Type{healthcheck.TypeMySQL, healthcheck.TypePostgres, healthcheck.TypeRedis} {
		add(t, "A handshake with a database, as far as it shows that it serves.", databaseKeys()...)
	}
	add(healthcheck.TypeExec, "A command, run without a shell: exit status 0 is up, 1 a warning (see `warning`), anything else down.", execKeys()...)
	add(healthcheck.TypeAgent, "HAProxy's agent-check protocol: the server says its state and weight, and its last answer counts. An agent that cannot be reached is no failure: what it said last holds, and before it has said anything the server is up. Give a check of the service itself beside it. Needs `port`.",
		key{name: "send", kind: kindText, value: "", doc: "Text sent before the answer is read."})
	add(healthcheck.TypeFile, "A file on the director.",
		key{name: "path", kind: kindText, required: true, doc: "The file."},
		key{name: "mode", kind: kindText, value: "exists", oneOf: []string{"exists", "absent", "zero", "weight"}, doc: "exists: up while it is there; absent: maintenance while it is there; zero: up while it holds 0 or nothing or is not there; weight: it holds the server's weight."})
	add(healthcheck.TypeBFD, "A BFD session (RFC 5880) with the server.", bfdKeys()...)
	add(healthcheck.TypePassive, "Connections that IPVS shows as never answered; they trigger a probe by the other checks at once.",
		key{name: "threshold", kind: kindNumber, value: 3, bounds: bounds{1, 1_000_000}, doc: "How many unanswered connections trigger it."})
	return b
}

func commonKeys() []key {
	return []key{
		{name: "name", kind: kindText, doc: "Tells two checks of one type apart."},
		{name: "address", kind: kindIP, doc: "Where the probe goes; the server's own address where not given."},
		{name: "port", kind: kindNumber, bounds: bounds{1, 65535}, doc: "Port of the probe; the server's own where not given."},
		{name: "bind_address", kind: kindIP, doc: "Source address of the probe."},
		{name: "bind_port", kind: kindNumber, bounds: bounds{1, 65535}, doc: "Source port of the probe."},
		{name: "interface", kind: kindText, doc: "Interface that the probe is bound to."},
		{name: "mark", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 1}, doc: "Firewall mark of its packets (SO_MARK)."},
		{name: "via", kind: kindText, oneOf: []string{"server", "service"}, value: "server", doc: "`service` sends the probe to the VIP, through IPVS, to this one server by its own forward method, with a firewall mark from 0x75000000 to 0x75ffffff."},
		{name: "interval", kind: kindDuration, value: healthcheck.DefaultInterval, bounds: span(10*time.Millisecond, 24*time.Hour), doc: "Time between probes."},
		{name: "fast_interval", kind: kindDuration, bounds: span(10*time.Millisecond, 24*time.Hour), doc: "Time between probes while the state is changing; `interval` where not given."},
		{name: "timeout", kind: kindDuration, value: healthcheck.DefaultTimeout, bounds: span(time.Millisecond, time.Hour), doc: "Overall deadline, from the connect to the last byte."},
		{name: "rise", kind: kindNumber, value: healthcheck.DefaultRise, bounds: bounds{1, 1000}, doc: "Successes in a row that bring a server up."},
		{name: "fall", kind: kindNumber, value: healthcheck.DefaultFall, bounds: bounds{1, 1000}, doc: "Failures in a row that take it down."},
		{name: "jitter", kind: kindDuration, value: time.Duration(0), bounds: span(0, 24*time.Hour), doc: "Up to so much is added to each interval."},
		{name: "slow", kind: kindDuration, bounds: span(time.Millisecond, time.Hour), doc: "A success that takes longer makes the server degraded; never where not given."},
		{name: "slow_weight", kind: kindNumber, value: 50, bounds: bounds{0, 100}, doc: "Percent of its weight while degraded."},
	}
}

func talkKeys() []key {
	return []key{
		{name: "send", kind: kindText, value: "", doc: "Text sent after the connect."},
		{name: "expect", kind: kindText, value: "", doc: "Text that the answer must hold, in its first MiB."},
		{name: "expect_regex", kind: kindText, doc: "Regular expression (RE2) that the answer must match, instead of `expect`. One that asks for an end (`$`, `\\z`, `\\b`) and finds it where the answer stops waits until the server closes the connection, or `timeout` is over."},
		{name: "half_open", kind: kindFlag, doc: "Reset the connection after SYN-ACK, so that the server never sees it; the default where nothing is sent, expected or encrypted."},
	}
}

func proxyKey() key {
	return key{name: "proxy_protocol", kind: kindNumber, value: 0, bounds: bounds{0, 2}, doc: "Version of the PROXY protocol header that is sent first; 0 for none."}
}

func httpKeys() []key {
	return []key{
		{name: "method", kind: kindText, value: "GET", doc: "Request method."},
		{name: "path", kind: kindText, value: "/", doc: "Path and query."},
		{name: "paths", kind: kindTexts, doc: "Several of them, all of which must pass, instead of `path`."},
		{name: "host", kind: kindText, doc: "Host header, and the name in TLS without `server_name`; the server's address where not given."},
		{name: "headers", kind: kindPairs, secret: true, doc: "Further headers, the same in every version; `Host`, `User-Agent`, `Accept` and `Connection` take the place of those that are sent by themselves."},
		{name: "body", kind: kindText, value: "", doc: "Request body."},
		{name: "http_version", kind: kindText, value: "1.1", oneOf: []string{"1.0", "1.1", "2"}, doc: "HTTP version; `2` is agreed on by ALPN over TLS, and spoken from the first byte without."},
		{name: "expect_status", kind: kindTexts, doc: "Codes and ranges such as `\"200-299\"`, any of which is good; `[\"200-299\"]` where not given."},
		{name: "expect_body", kind: kindText, value: "", doc: "Text that the body must hold. Of a body the first MiB is read and looked at; what does not end is good for `expect_status` alone."},
		{name: "expect_body_regex", kind: kindText, value: "", doc: "Regular expression (RE2) that the body must match."},
		{name: "expect_body_sha256", kind: kindText, value: "", doc: "SHA-256 of the body, hexadecimal; a body longer than 16 MiB fails."},
		{name: "expect_body_md5", kind: kindText, value: "", doc: "MD5 of the body, hexadecimal: the digest of keepalived's `genhash`. Prefer `expect_body_sha256`."},
		{name: "reject_body_regex", kind: kindText, value: "", doc: "Regular expression (RE2) that the body must not match."},
		{name: "expect_json", kind: kindPairs, doc: "Paths in a JSON body, of at most 1 MiB, and the values there, as in `{ \"status.db[0]\" = \"ok\" }`; a name with a dot in it is written `status[\\\"db.main\\\"]`."},
		{name: "follow_redirects", kind: kindFlag, value: false, doc: "Follow up to 10 redirects, whatever host they name by connections to the check's own address and port, so none from http to https or back; otherwise the answer itself is judged."},
		{name: "auth", kind: kindText, oneOf: []string{"basic", "bearer"}, doc: "Credential that is sent; its secret from `auth_file` or `auth_env`."},
		{name: "auth_user", kind: kindText, doc: "User of basic authentication."},
		{name: "auth_file", kind: kindText, doc: "File that holds password or token, read at each probe."},
		{name: "auth_env", kind: kindText, doc: "Environment variable that holds it."},
		proxyKey(),
	}
}

// tlsAlone are the keys of TLS without the choice.
var tlsAlone = tlsKeys(false)

// tlsKeys are the keys of TLS; where it is a choice, the key tls makes it.
func tlsKeys(choice bool) []key {
	keys := []key{
		{name: "insecure", kind: kindFlag, value: false, doc: "Do not verify the certificate."},
		{name: "ca_file", kind: kindText, doc: "Certificates that sign the server's; the system's where not given."},
		{name: "server_name", kind: kindText, doc: "Name in SNI and in the certificate; `host` or the address where not given."},
		{name: "cert_file", kind: kindText, doc: "Client certificate chain, PEM."},
		{name: "key_file", kind: kindText, doc: "Its key, PEM."},
		{name: "min_version", kind: kindText, value: "1.2", oneOf: []string{"1.2", "1.3"}, doc: "Least TLS version."},
		{name: "alpn", kind: kindTexts, doc: "Protocols offered by ALPN; with HTTP/2 and gRPC that is `h2` by itself."},
		{name: "expiry_warning", kind: kindDuration, value: time.Duration(0), bounds: span(0, 3650*24*time.Hour), doc: "Warn when the certificate ends within this time; `\"0s\"` for never."},
	}
	if choice {
		return append([]key{{name: "tls", kind: kindFlag, value: false, doc: "Speak TLS; the keys below are for it."}}, keys...)
	}
	return keys
}

func udpKeys() []key {
	return []key{
		{name: "payload", kind: kindText, value: "", doc: "Text of the datagram."},
		{name: "payload_hex", kind: kindText, doc: "The same in hexadecimal, instead of `payload`."},
		{name: "expect", kind: kindText, doc: "Text that the answer must start with."},
		{name: "expect_hex", kind: kindText, doc: "The same in hexadecimal, `x` for any digit, instead of `expect`."},
		{name: "require_reply", kind: kindFlag, value: false, doc: "Silence is a failure; otherwise only an ICMP error is."},
		{name: "min_reply", kind: kindNumber, value: 0, bounds: bounds{0, 65507}, doc: "Least length of the answer in bytes."},
		{name: "max_reply", kind: kindNumber, value: 65507, bounds: bounds{0, 65507}, doc: "Greatest length."},
	}
}

func dnsKeys() []key {
	return []key{
		{name: "question", kind: kindText, value: ".", doc: "Name that is asked for."},
		{name: "type", kind: kindText, value: "SOA", oneOf: []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}, doc: "Record type."},
		{name: "tcp", kind: kindFlag, value: false, doc: "Ask over TCP."},
		{name: "rcode", kind: kindText, value: "NOERROR", oneOf: []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}, doc: "Response code that is good."},
		{name: "expect_answers", kind: kindTexts, doc: "Data of records that must be among the answers."},
	}
}

func databaseKeys() []key {
	return []key{
		{name: "user", kind: kindText, value: "", doc: "User to log in as; none, and only the greeting is judged."},
		{name: "database", kind: kindText, value: "", doc: "Database."},
		{name: "password_file", kind: kindText, doc: "File that holds the password, read at each probe."},
		{name: "password_env", kind: kindText, doc: "Environment variable that holds it."},
	}
}

func execKeys() []key {
	return []key{
		{name: "command", kind: kindTexts, required: true, doc: "Program and arguments, run without a shell, with a plain user's limits, schedule and OOM score. What it leaves running when it ends, or when its time is up, is killed; one that prints more than 1 MiB is ended."},
		{name: "user", kind: kindText, doc: userDoc},
		{name: "dynamic_weight", kind: kindText, oneOf: []string{"exit", "stdout"}, doc: "Where the server's weight comes from: exit (2 to 255: up with weight 0 to 253) or stdout (a number)."},
		{name: "warning", kind: kindText, value: "up", oneOf: []string{"up", "down"}, doc: "What exit status 1 means, Nagios's warning."},
		{name: "environment", kind: kindPairs, secret: true, doc: "Environment variables, beside `PATH` (the system's folders), `HOME`, `USER`, `LOGNAME`, `USHER_RUN`, `USHER_ADDRESS` and `USHER_PORT`, which are all that there are: nothing of usher's own environment. Values whose names hold `PASS`, `SECRET`, `TOKEN`, `KEY` or `CREDENTIAL` are hidden in what the command prints."},
	}
}
