package conf

import "time"

// discoverBlock is where servers of a pool are listed.
func discoverBlock() *block {
	b := &block{name: "discover", labels: []string{"type"}, many: true, common: sourceKeys(),
		doc: "Where real servers are listed, besides those that are written down. They have the pool's checks and settings, and are out until their first probe; one that is no longer listed drains (`drain_timeout`). A source that fails, times out, says that the name does not exist, or answers nonsense changes nothing: its last good set stays, also over restarts. A server that is written down, or listed by an earlier source, too, is what is said of it there. An entry that the pool cannot have (another port with `dr` or `tun`, say) is left out with a warning. `validate` asks no source."}
	add := func(name, doc string, interval, least, timeout time.Duration, own ...key) {
		keys := append(sourceKeys(), own...)
		for i := range keys {
			switch keys[i].name {
			case "interval":
				keys[i].value = interval
			case "min_interval":
				keys[i].value = least
			case "timeout":
				keys[i].value = timeout
			}
		}
		b.variants = append(b.variants, &block{name: b.name, labels: []string{name}, many: true, doc: doc, keys: keys})
	}
	add("dns", "Records of a name. Consul, and headless services of Kubernetes, are read by this. The name is asked for as it is written, without a search list; by UDP, and by TCP where an answer is cut off. Its TTL says when it is asked for again, within `min_interval` and `interval`. NXDOMAIN is a failure; with `allow_empty` it is an empty answer where the zone says so (the answer has its SOA record, and not the root's), as Consul's is of a service without healthy instances.",
		30*time.Second, time.Second, 5*time.Second,
		key{name: "name", kind: kindText, required: true, doc: "The name, such as `\"_web._tcp.service.example\"`."},
		key{name: "type", kind: kindText, value: "A", oneOf: []string{"A", "AAAA", "SRV"}, doc: "Record type. SRV gives port and weight, and its priorities are groups: servers of the second get new connections only while none of the first is up, and so on. Weight 0 of all is none, beside others it is 1. The addresses of targets are of the service's family."},
		key{name: "servers", kind: kindTexts, doc: "DNS servers, `\"192.0.2.53\"` or `\"192.0.2.53:5353\"`: the first that answers counts. Those of `/etc/resolv.conf` where not given."},
	)
	add("file", "Files in the form of Prometheus' file_sd: `[{\"targets\": [\"10.0.0.1:80\"], \"labels\": {\"weight\": \"2\", \"forward_method\": \"dr\"}}]`, in JSON or YAML. They are read again when they change, and at each `interval`. Replace a file by a rename: one that is half written may be valid.",
		30*time.Second, time.Second, 5*time.Second,
		key{name: "paths", kind: kindTexts, required: true, doc: "Files, whose names end in `.json`, `.yml` or `.yaml`; the last part may be a pattern, as in `\"/etc/usher/targets/web*.json\"`. A list without a target is `[]`; a path that is not there is a failure."},
	)
	add("http", "A URL that answers in the form of Prometheus' http_sd: a JSON list like that of `discover \"file\"`. `ETag` is heeded, up to 3 redirects are followed, none from https to http.",
		30*time.Second, time.Second, 10*time.Second,
		key{name: "url", kind: kindText, required: true, doc: "The URL. Status 200 alone is an answer, of at most 4 MiB."},
		key{name: "token_file", kind: kindText, doc: "File that holds a bearer token, read at each question."},
		key{name: "ca_file", kind: kindText, doc: "Certificates that sign the server's; the system's where not given."},
		key{name: "cert_file", kind: kindText, doc: "Client certificate chain, PEM. Certificates and keys are read at each question, too."},
		key{name: "key_file", kind: kindText, doc: "Its key, PEM."},
		key{name: "server_name", kind: kindText, doc: "Name in SNI and in the certificate; the URL's host where not given."},
		key{name: "insecure", kind: kindFlag, value: false, doc: "Do not verify the certificate."},
	)
	return b
}

// sourceKeys are those of every source.
func sourceKeys() []key {
	return []key{
		{name: "port", kind: kindNumber, bounds: bounds{1, 65535}, doc: "Port of servers that are listed without one; the service's where not given."},
		{name: "weight", kind: kindNumber, bounds: bounds{0, 65535}, doc: "Weight of servers that are listed without one; `weight` of the virtual server where not given."},
		{name: "forward_method", kind: kindText, oneOf: forwards, doc: "Forward method of servers that are listed without one; the virtual server's where not given."},
		{name: "interval", kind: kindDuration, bounds: span(time.Second, 24*time.Hour), doc: "The longest time between two questions; up to a tenth of it is left to chance."},
		{name: "min_interval", kind: kindDuration, bounds: span(100*time.Millisecond, 24*time.Hour), doc: "The shortest, whatever a TTL says, and the pause after a failure, which doubles up to `interval`."},
		{name: "timeout", kind: kindDuration, bounds: span(100*time.Millisecond, time.Minute), doc: "Deadline of one question, over all servers, redirects and files."},
		{name: "allow_empty", kind: kindFlag, value: false, doc: "An answer without any server is obeyed; it is a failure otherwise."},
		{name: "max_servers", kind: kindNumber, value: 1000, bounds: bounds{1, 65535}, doc: "An answer with more servers is a failure."},
		{name: "max_leave", kind: kindFraction, value: 0.5, bounds: bounds{0, 1}, doc: "Fraction of the pool's servers that may leave by one answer, at least one server; 0 for none at all. The others stay until the next answer, which is said."},
	}
}
