package conf

func peersBlock() *block {
	return &block{name: "peers", doc: "Directors of the same services that know each other: what an operator says of a real server (`usher drain`, `disable`, `weight`, `enable`) holds on all of them, also on one that is started later, and each sees of the others which instances are active there, where configurations differ, and which servers they find down. Not compared is what may differ from director to director: `router_id`, `state`, `control`, `http`, `http_hosts`, `log`, `remote`, `priority`, names of interfaces and labels of addresses, the sources and peers of advertisements, `snat_addresses`, and of checks `bind_address`, `interface`, `source` and `helo`. What another director says moves no address and takes no server out by itself, and without the others everything goes on as without this block. TCP and UDP of `listen` have to be open between them.", keys: []key{
		{name: "name", kind: kindText, doc: "Name of this director in the group, which no other has; `router_id` where not given."},
		{name: "listen", kind: kindText, required: true, doc: "IP address of this machine that the other directors reach, with a port (`\"192.0.2.2:7946\"`); 7946 where none is given. Best in a network that only directors and servers are in."},
		{name: "join", kind: kindTexts, doc: "IP addresses of other directors, with a port where theirs is not 7946. One that answers is enough to find all; one's own does no harm. Addresses where nobody answers are tried again every 5 seconds."},
		{name: "key", kind: kindText, secret: true, doc: "Key that encrypts everything between directors (AES-GCM), the same on all; required unless `listen` is a loopback address. 16, 24 or 32 bytes, or these in base64 or hexadecimal, as `openssl rand -base64 32` writes them. Best `file(\"...\")` or `credential(\"...\")`; a file that others than its owner and group may read is refused."},
		{name: "key_file", kind: kindText, doc: "File that holds the key, read when the configuration is loaded."},
		{name: "old_key", kind: kindText, secret: true, doc: "The key before, while directors get a new one: reload one after the other with the new key as `key` and the one before as `old_key`, then one after the other without `old_key`. Both are read; the old one is written with for as long as a director is there that does not have the new one, so that none is cut off meanwhile."},
		{name: "old_key_file", kind: kindText, doc: "File that holds it."},
	}}
}
