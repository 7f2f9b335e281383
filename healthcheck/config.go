package healthcheck

import (
	"net/netip"
	"time"
)

// Type names a kind of check, as the label of a health_check block does.
type Type string

// The kinds of check.
const (
	TypeTCP      Type = "tcp"
	TypeHTTP     Type = "http"
	TypeHTTPS    Type = "https"
	TypeTLS      Type = "tls"
	TypeUDP      Type = "udp"
	TypeDNS      Type = "dns"
	TypeSMTP     Type = "smtp"
	TypePing     Type = "ping"
	TypeGRPC     Type = "grpc"
	TypeMySQL    Type = "mysql"
	TypePostgres Type = "postgres"
	TypeRedis    Type = "redis"
	TypeExec     Type = "exec"
	TypeAgent    Type = "agent"
	TypeFile     Type = "file"
	TypeBFD      Type = "bfd"
	TypePassive  Type = "passive"
)

// Continuous says that a check of this type is not probed at intervals: it runs
// all the time and reports its changes by itself.
func (t Type) Continuous() bool { return t == TypeBFD }

// Defaults of every check, used by conf where a key is not given.
const (
	DefaultInterval = 2 * time.Second
	DefaultTimeout  = time.Second
	DefaultRise     = 2
	DefaultFall     = 3
)

// Check is one check of one server, complete: defaults and inheritance are
// resolved before. It is plain data; two Checks that are deeply equal are the
// same probe and run once.
type Check struct {
	Type Type
	Name string // tells two checks of one type apart; "" otherwise

	Address   netip.AddrPort // where the probe goes: the server's own, unless pointed elsewhere; port 0 where the type has none
	Bind      netip.AddrPort // source address and port; invalid or zero for any
	Interface string         // device the socket is bound to; "" for any
	Mark      uint32         // SO_MARK; 0 for none
	Via       *Via           // the probe's way is the service's own, through IPVS; nil for straight to the server

	Interval     time.Duration
	FastInterval time.Duration // while rising or falling; 0 for Interval
	Timeout      time.Duration // overall: it covers everything from connect to the last byte
	Rise         int           // successes in a row that bring a server up, at least 1
	Fall         int           // failures in a row that take it down, at least 1
	Jitter       time.Duration // up to so much is added to each interval
	Slow         time.Duration // a success slower than this is degraded; 0 for never
	SlowWeight   int           // percent of the weight while degraded, 0..100

	// Exactly the one that Type names is set, if that type has settings.
	TCP      *TCP
	HTTP     *HTTP
	TLS      *TLS // tls; and https, or any type on top of TLS
	UDP      *UDP
	DNS      *DNS
	SMTP     *SMTP
	GRPC     *GRPC
	Database *Database // mysql, postgres, redis
	Exec     *Exec
	Agent    *Agent
	File     *File
	BFD      *BFD
	Passive  *Passive
}

// Via sends a probe to the virtual service itself, marked so that a private IPVS
// service hands it to one real server by that server's own forward method.
type Via struct {
	Service netip.AddrPort
	Mark    uint32
}

// TCP is a connection that is opened, spoken to and closed.
type TCP struct {
	Send        string
	Expect      string // substring of the answer, or a regular expression with ExpectRegex
	ExpectRegex bool
	Proxy       int  // PROXY protocol header version 1 or 2; 0 for none
	FullConnect bool // finish the handshake; otherwise it is reset after SYN-ACK and accept() is never woken (half_open)
	TLS         bool
}

// HTTP is a request and what its answer must be.
type HTTP struct {
	Method           string
	Paths            []string // every one must pass
	Host             string
	Headers          []Header
	Body             string
	Version          string        // "1.1" or "2"; "1.0" too
	ExpectStatus     []StatusRange // any of these
	ExpectBody       string        // substring
	ExpectBodyRegex  string
	ExpectBodySHA256 string
	ExpectBodyMD5    string `json:",omitempty"` // what keepalived's genhash prints; no protection against a forged body
	RejectBodyRegex  string `json:",omitempty"`
	ExpectJSON       []JSONExpect
	FollowRedirects  bool
	Credential       *Credential
	Proxy            int
}

// LooksAtBody says whether the answer's body matters.
func (h *HTTP) LooksAtBody() bool {
	return h.ReadsBody() || h.ExpectBodySHA256 != "" || h.ExpectBodyMD5 != ""
}

// ReadsBody says whether it matters what the body says, not its digest alone.
func (h *HTTP) ReadsBody() bool {
	return h.ExpectBody != "" || h.ExpectBodyRegex != "" || h.RejectBodyRegex != "" || len(h.ExpectJSON) > 0
}

// Header is one header line of a request.
type Header struct{ Name, Value string }

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ From, To int }

// JSONExpect wants the value at a path of a JSON answer, as in "status.db[0]".
type JSONExpect struct {
	Path  string
	Value string
}

// Credential is a secret read from a file or the environment when the probe
// runs. It is never printed.
type Credential struct {
	Scheme   string // "basic" or "bearer"
	User     string
	File     string
	Variable string
}

// TLS says how a server's certificate is verified.
type TLS struct {
	Insecure      bool
	CAFile        string
	ServerName    string
	CertFile      string
	KeyFile       string
	MinVersion    string // "1.2" or "1.3"
	ALPN          []string
	ExpiryWarning time.Duration // warn when the certificate ends within it; 0 for never
}

// UDP is a datagram and what comes back.
type UDP struct {
	Payload      []byte
	Expect       []byte // with Mask: bits that must match
	Mask         []byte
	RequireReply bool // silence is a failure; otherwise only an ICMP error is
	MinReply     int
	MaxReply     int
}

// DNS is one question.
type DNS struct {
	Question string
	Type     string // A, AAAA, SOA...
	TCP      bool
	RCode    string
	Expect   []string // each must be among the answers
}

// SMTP greets a mail server.
type SMTP struct {
	HELO     string
	StartTLS bool
}

// GRPC asks the standard health service.
type GRPC struct {
	Service   string
	Authority string
	UseTLS    bool
}

// Database logs in as far as a handshake shows that the server serves.
type Database struct {
	User     string
	Database string
	Password *Credential
}

// Exec runs a command without a shell, in its own process group, killed whole at
// the timeout.
type Exec struct {
	Command []string
	User    string
	Weight  string // "" (none), "exit" (keepalived's dynamic: exit code less 2) or "stdout" (a number printed)
	Env     []string
	// WarningDown makes exit status 1 a failure, as keepalived's MISC_CHECK does;
	// otherwise it is a warning, and the server is up.
	WarningDown bool
}

// Agent speaks HAProxy's agent-check protocol.
type Agent struct{ Send string }

// File is up or down, or a weight, by a file's content.
type File struct {
	Path string
	Mode string // "exists" (up while it is there), "absent" (maintenance while it is there), "zero" (up while it holds 0) or "weight"
}

// BFD is an asynchronous session of RFC 5880 over a single hop (RFC 5881).
type BFD struct {
	Source     netip.Addr
	MinTX      time.Duration
	MinRX      time.Duration
	Multiplier int
	Passive    bool
}

// Passive counts connections that IPVS shows as never answered.
type Passive struct {
	Threshold int // unanswered ones that trigger a probe at once
}

// Target is one server of one pool and the checks that decide about it.
type Target struct {
	ID     ID
	Checks []Check // none: the server is always up
	// Need is how many checks must be up; 0 for all.
	Need int
	// Initial is the state until the first results: Down unless the operator trusts the server.
	Initial State
	// FlapThreshold changes within FlapWindow hold the server down for FlapHold; 0 for never.
	FlapThreshold int
	FlapWindow    time.Duration
	FlapHold      time.Duration
}

// ID names a server within its virtual server.
type ID struct {
	VirtualServer string
	RealServer    netip.AddrPort
}
