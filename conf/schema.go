package conf

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// kind is the type of a key's value.
type kind uint8

const (
	kindText     kind = iota // a string
	kindTexts                // a list of strings
	kindPairs                // a map of strings
	kindNumber               // a whole number
	kindFraction             // any number
	kindFlag                 // true or false
	kindDuration             // a string with a unit, such as "1.5s"
	kindIP                   // an address without prefix length
	kindIPs                  // a list of them
	kindPrefix               // an address with or without prefix length
	kindPrefixes             // a list of them
)

// String names a kind in the reference.
func (k kind) String() string {
	return [...]string{"string", "list of strings", "map of strings", "number", "fraction", "true or false", "duration",
		"IP address", "list of IP addresses", "IP address or prefix", "list of IP addresses or prefixes"}[k]
}

// list says whether a value of the kind has elements with places of their own.
func (k kind) list() bool {
	return k == kindTexts || k == kindIPs || k == kindPrefixes
}

// key is one argument of a block.
type key struct {
	name     string
	kind     kind
	required bool
	// value is the default: string, int, float64, bool or time.Duration by kind;
	// nil for none, which the text of doc explains.
	value any
	// bounds are inclusive; none where both are 0. They are nanoseconds for a
	// duration, and count elements for no kind.
	bounds bounds
	// step is what a duration must be a multiple of; 0 for any.
	step   time.Duration
	oneOf  []string // the words allowed, of a text or of each element of texts
	secret bool     // never shown
	doc    string
}

// bounds are the least and greatest value of a number or duration.
type bounds struct{ min, max int64 }

func span(least, most time.Duration) bounds { return bounds{int64(least), int64(most)} }

// block is one kind of block.
type block struct {
	name   string
	labels []string // what each label is, as in "name"
	many   bool     // may stand more than once; with labels, once for each
	doc    string
	keys   []key
	blocks []*block
	// variants, where there are any, are the block's schema by its first label.
	variants []*block
	// common are the keys that each of the variants begins with.
	common []key

	index map[string]*key // of keys, where they are many
	body  *hcl.BodySchema // HCL's view
}

// variant finds the schema of a block with labels.
func (b *block) variant(labels []string) (*block, bool) {
	if b.variants == nil {
		return b, true
	}
	for _, v := range b.variants {
		if len(labels) > 0 && v.labels[0] == labels[0] {
			return v, true
		}
	}
	return b, false
}

// forever is an upper bound for durations that need none of their own: longer
// than anybody means, far from where arithmetic overflows.
const forever = 31 * 24 * time.Hour

// schema is the table of every block and key there is. What reads files, names
// defaults and writes the reference has it from here alone. Nobody changes it.
var schema = sync.OnceValue(func() *block {
	top := &block{blocks: []*block{globalBlock(), peersBlock(), instanceBlock(), groupBlock(), bfdBlock(), bgpBlock(), announceBlock(), virtualServerBlock()}}
	top.prepare()
	return top
})

// few is how many keys, or servers, are found sooner by a look at each than by their
// hash.
const few = 12

// prepare fills in what is derived, of the block and all within.
func (b *block) prepare() {
	b.body = &hcl.BodySchema{}
	for _, k := range b.keys {
		b.body.Attributes = append(b.body.Attributes, hcl.AttributeSchema{Name: k.name})
	}
	for _, c := range b.blocks {
		b.body.Blocks = append(b.body.Blocks, hcl.BlockHeaderSchema{Type: c.name, LabelNames: c.labels})
	}
	if len(b.keys) > few {
		b.index = make(map[string]*key, len(b.keys))
		for i := range b.keys {
			b.index[b.keys[i].name] = &b.keys[i]
		}
	}
	for _, within := range slices.Concat(b.blocks, b.variants) {
		within.prepare()
	}
}

// alertBlocks are who hears of changes; on and its default depend on what changes.
func alertBlocks(words ...string) []*block {
	on := key{name: "on", kind: kindTexts, oneOf: words,
		doc: "Changes that are reported; all of them where not given."}
	return []*block{
		{name: "notify", many: true, doc: "A command run at changes, without a shell, one at a time and in order. Like every program that usher runs it has a plain user's limits, schedule and OOM score, and an environment of `PATH` (the system's folders), `HOME`, `USER`, `LOGNAME`, `USHER_RUN` (which names the run) and what is told of the change, nothing of usher's own. What it leaves running is left alone.", keys: []key{
			{name: "command", kind: kindTexts, required: true, doc: "Program and arguments. Further arguments are appended, those of keepalived's scripts: `INSTANCE`, `GROUP`, `VS` or `RS`, the name, the state in capitals (`MASTER` for active, else `BACKUP`, `FAULT`, `STOP`, `UP`, `DOWN` and so on as in `on`), the priority (0 where there is none), and of a real server its virtual server. The environment has the same in usher's words: `USHER_KIND`, `USHER_NAME`, `USHER_VIRTUAL_SERVER`, `USHER_STATE`, `USHER_PREVIOUS`, `USHER_PRIORITY`, `USHER_PEER`, `USHER_REASON`, `USHER_TIME`, `USHER_ROUTER_ID`."},
			{name: "arguments", kind: kindFlag, value: true, doc: "Whether arguments are appended; without, the command runs as it is written, as keepalived's `notify_master` and its like."},
			on,
			{name: "user", kind: kindText, doc: userDoc},
			{name: "timeout", kind: kindDuration, value: 10 * time.Second, bounds: span(100*time.Millisecond, time.Hour), doc: "After it, the command and all that it started is killed."},
		}},
		{name: webhookName, labels: []string{"url"}, many: true, doc: "A URL that gets a JSON document by POST at changes.", keys: []key{
			on,
			{name: "body", kind: kindText, doc: bodyDoc},
			{name: "content_type", kind: kindText, value: "application/json", doc: "Media type of `body`. Where it is JSON, so must be all that the template makes."},
			{name: "secret", kind: kindText, secret: true, doc: "Key of the HMAC-SHA256 signature in the header `X-Usher-Signature`; none is sent without it."},
			{name: "secret_file", kind: kindText, doc: "File that holds the secret, read when the configuration is loaded."},
			{name: "ca_file", kind: kindText, doc: "Certificates that sign the server's; the system's where not given."},
			{name: "timeout", kind: kindDuration, value: 5 * time.Second, bounds: span(100*time.Millisecond, time.Minute), doc: "Deadline of one attempt."},
			{name: "retries", kind: kindNumber, value: 5, bounds: bounds{0, 100}, doc: "Attempts after the first, with growing pauses."},
		}},
		{name: "email", many: true, doc: "A message by SMTP at changes.", keys: []key{
			{name: "server", kind: kindText, required: true, doc: "`host:port`; port 25 where not given."},
			{name: "from", kind: kindText, required: true, doc: "Sender, as `usher@example.org` or `Name <usher@example.org>`."},
			{name: "to", kind: kindTexts, required: true, doc: "Recipients, likewise."},
			on,
			{name: "starttls", kind: kindText, value: "require", oneOf: []string{"require", "prefer", "never"}, doc: "Whether the connection must be encrypted."},
			{name: "user", kind: kindText, doc: "User to authenticate as; no authentication where not given."},
			{name: "password", kind: kindText, secret: true, doc: "Password of the user."},
			{name: "password_file", kind: kindText, doc: "File that holds the password, read when the configuration is loaded."},
			{name: "helo", kind: kindText, doc: "Name given in EHLO; the host name where not given."},
			{name: "ca_file", kind: kindText, doc: "Certificates that sign the server's; the system's where not given."},
			{name: "timeout", kind: kindDuration, value: 30 * time.Second, bounds: span(time.Second, 10*time.Minute), doc: "Deadline of one attempt."},
		}},
	}
}

// bodyDoc is of a webhook's body; the fields are those of Alert.
const bodyDoc = "What is sent instead of usher's own document: a template of Go's text/template over one change. Fields: `.Kind` (`INSTANCE`, `GROUP`, `VS`, `RS`, `ANNOUNCE`), `.Name`, `.VirtualServer`, `.Prefix` (of an announcement), " +
	"`.State` (as in `on`, without `server_`; `test` of `usher notify --test`), `.Previous`, `.Priority`, `.Peer`, `.Reason`, `.RouterID`, `.Time` (RFC 3339), `.Problem` (true for fault, split_brain, down, and withdrawn where nobody has wanted that), " +
	"`.Severity` (`critical`, `warning` of a real server, `info` where there is no problem), `.Key` (the same for all changes of one thing), `.Text` (all in a line), and `.After \"24h\"` (so long after `.Time`). " +
	"`if`, `with`, comparisons, `len`, `upper`, `lower` and `json` (a value as JSON, quotes included) are there, loops are not. Template and body are at most 64 KiB. Examples for Slack, PagerDuty and Alertmanager: `conf/examples/alerts.hcl`."

// userDoc is of every program's user.
const userDoc = "Whom it runs as, `USER` or `USER:GROUP`, names or numbers, without supplementary groups; usher's own user where not given."

// The words of `on`.
var (
	instanceWords = []string{"active", "backup", "fault", "stop", "split_brain"}
	groupWords    = []string{"active", "backup", "fault", "stop"}
	serverWords   = []string{"up", "down", "server_up", "server_down"}
	announceWords = []string{"announced", "draining", "withdrawn"}
)

// allWords are the words of `on` in the global block, where all objects report.
func allWords() []string {
	return slices.Concat(instanceWords, serverWords, announceWords)
}
