package conf

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
)

const withSecret = `
vrrp_instance "a" {
  interface         = "eth0"
  virtual_router_id = 1
  version           = 2
  virtual_addresses = ["192.0.2.1/24"]
  authentication {
    type          = "pass"
    password_file = "pass"
  }
}
`

// TestSecretsOfOthers: who may not read a secret can still check the rest of the
// file; who runs it cannot go on without. A file that is not there is an error to
// both.
func TestSecretsOfOthers(t *testing.T) {
	refused := func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	missing := func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	for _, tc := range []struct {
		how  loading
		want string
	}{
		{loading{open: refused, look: true}, "warning: Secret not looked at"},
		{loading{open: refused}, "error: File cannot be read"},
		{loading{open: missing, look: true}, "error: File cannot be read"},
	} {
		c, found := (&Loader{how: tc.how}).load([]text{{"x.hcl", []byte(withSecret)}}, nil, nil)
		if len(found) != 1 || fmt.Sprintf("%s: %s", found[0].Severity, found[0].Summary) != tc.want || found[0].Range.Start.Line != 9 {
			t.Errorf("%+v, not %s", found, tc.want)
		}
		if valid := strings.HasPrefix(tc.want, "warning"); valid != (c != nil) {
			t.Errorf("%s, and the configuration is %v", tc.want, c)
		}
	}
}

// TestUnclaimed: a service whose address no instance holds is a warning at its
// address, but where nothing holds addresses at all.
func TestUnclaimed(t *testing.T) {
	server := func(address string) string {
		return fmt.Sprintf("virtual_server %q {\n  address = %q\n  forward_method = \"nat\"\n  real_server \"10.0.0.1:80\" {}\n}\n", address, address)
	}
	instance := strings.NewReplacer("  authentication {\n    type          = \"pass\"\n    password_file = \"pass\"\n  }\n", "").Replace(withSecret)
	for _, tc := range []struct {
		text, want string
	}{
		{instance + server("192.0.2.1:80"), ""},
		{instance + server("192.0.2.2:80"), "192.0.2.2:80"},
		{instance + server("192.0.2.1:80") + server("203.0.113.1-3:80"), "203.0.113.1-3:80"},
		{server("192.0.2.2:80"), ""},
		{instance + strings.Replace(server("192.0.2.2:80"), `address = "192.0.2.2:80"`, "fwmark = 7\n  family = \"ipv4\"", 1), ""},
	} {
		c, diags := (&Loader{how: loading{look: true}}).load([]text{{"x.hcl", []byte(tc.text)}}, nil, nil)
		if c == nil {
			t.Fatalf("%s\n%s", diags.Text(false), tc.text)
		}
		var names []string
		for name := range maps.Keys(c.Unclaimed()) {
			names = append(names, name)
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%q, not %q\n%s", got, tc.want, tc.text)
		}
		if tc.want == "" && len(diags) > 0 || tc.want != "" && (len(diags) != 1 || diags[0].Severity != SeverityWarning || !strings.Contains(diags[0].Source, "address")) {
			t.Errorf("%q: %+v", tc.want, diags)
		}
	}
}

// TestHashedWithoutFallback: sh and mh refuse the clients of a server with weight 0,
// which a warning says where there can be one.
func TestHashedWithoutFallback(t *testing.T) {
	const two = " real_server \"10.0.0.1:80\" {}\n real_server \"10.0.0.2:80\" {}\n"
	for _, tc := range []struct {
		keys string
		warn string // flag that is named; "" for no warning
	}{
		{two, ""},
		{" scheduler = \"mh\"\n" + two, "mh-fallback"},
		{" scheduler = \"sh\"\n scheduler_flags = [\"sh-port\"]\n" + two, "sh-fallback"},
		{" scheduler = \"sh\"\n scheduler_flags = [\"sh-fallback\"]\n" + two, ""},
		{" scheduler = \"mh\"\n scheduler_flags = [\"mh-port\", \"mh-fallback\"]\n" + two, ""},
		{" scheduler = \"mh\"\n real_server \"10.0.0.1:80\" {}\n", ""},
		{" scheduler = \"mh\"\n drain_timeout = \"0s\"\n" + two, ""},
		{" scheduler = \"mh\"\n drain_timeout = \"0s\"\n on_failure = \"quiesce\"\n" + two, "mh-fallback"},
		{" scheduler = \"dh\"\n" + two, ""},
	} {
		config := "virtual_server \"web\" {\n address = \"192.0.2.1:80\"\n forward_method = \"nat\"\n" + tc.keys + "}\n"
		c, diags := (&Loader{how: loading{look: true}}).load([]text{{"x.hcl", []byte(config)}}, nil, nil)
		if c == nil {
			t.Fatalf("%s\n%s", diags.Text(false), config)
		}
		warned := len(diags) == 1 && diags[0].Severity == SeverityWarning && diags[0].Summary == "Hashing without fallback" &&
			strings.Contains(diags[0].Detail, `["`+tc.warn+`"]`) && strings.Contains(diags[0].Source, "scheduler ")
		if tc.warn == "" && len(diags) > 0 || tc.warn != "" && !warned {
			t.Errorf("%s: %+v", tc.keys, diags)
		}
	}
}

// TestOnePacketWithoutAnswers: by nat the answers of one-packet services go out with the
// servers' own addresses, which a warning says.
func TestOnePacketWithoutAnswers(t *testing.T) {
	const packet = " one_packet = true\n"
	for _, tc := range []struct {
		keys string
		warn bool
	}{
		{" forward_method = \"nat\"\n real_server \"10.0.0.1:80\" {}\n", false},
		{packet + " forward_method = \"nat\"\n real_server \"10.0.0.1:80\" {}\n", true},
		{packet + " forward_method = \"dr\"\n real_server \"10.0.0.1:80\" {}\n", false},
		{packet + " forward_method = \"dr\"\n real_server \"10.0.0.1:80\" {\n  forward_method = \"nat\"\n }\n", true},
		{packet + " forward_method = \"nat\"\n persistence = \"60s\"\n persistence_engine = \"sip\"\n real_server \"10.0.0.1:80\" {}\n", false},
	} {
		config := "virtual_server \"web\" {\n address = \"192.0.2.1:80\"\n protocol = \"udp\"\n" + tc.keys + "}\n"
		c, diags := (&Loader{how: loading{look: true}}).load([]text{{"x.hcl", []byte(config)}}, nil, nil)
		if c == nil {
			t.Fatalf("%s\n%s", diags.Text(false), config)
		}
		warned := len(diags) == 1 && diags[0].Severity == SeverityWarning && diags[0].Summary == "Answers keep the server's address" &&
			strings.Contains(diags[0].Source, "one_packet = true")
		if warned != tc.warn || !warned && len(diags) > 0 {
			t.Errorf("%s: %+v", tc.keys, diags)
		}
	}
}

// TestPortWithoutEffect: a persistent service of every port does not use the port of a
// real server, which a warning says.
func TestPortWithoutEffect(t *testing.T) {
	const mark, every, sticky = " fwmark = 7\n family = \"ipv4\"\n", " address = \"192.0.2.1:0\"\n", " persistence = \"60s\"\n"
	for _, tc := range []struct {
		keys, forward, server string
		warn                  bool
	}{
		{mark, "nat", "10.0.0.1:80", false},
		{mark + sticky, "nat", "10.0.0.1:80", true},
		{mark + sticky, "nat", "10.0.0.1", false},
		{mark + sticky, "dr", "10.0.0.1:80", false},
		{every + sticky, "fullnat", "10.0.0.1:80", true},
		{" address = \"192.0.2.1:81\"\n" + sticky, "nat", "10.0.0.1:80", false},
	} {
		config := "virtual_server \"web\" {\n" + tc.keys + " forward_method = \"" + tc.forward + "\"\n real_server \"" + tc.server + "\" {}\n}\n"
		c, diags := (&Loader{how: loading{look: true}}).load([]text{{"x.hcl", []byte(config)}}, nil, nil)
		if c == nil {
			t.Fatalf("%s\n%s", diags.Text(false), config)
		}
		warned := len(diags) == 1 && diags[0].Severity == SeverityWarning && diags[0].Summary == "Port without effect" &&
			strings.Contains(diags[0].Source, tc.server)
		if warned != tc.warn || !warned && len(diags) > 0 {
			t.Errorf("%s: %+v", config, diags)
		}
	}
}

// TestLongLease: a lease that was written is a warning at its place where it ends only
// after peers have taken over; one that was not fits the adverts by itself.
func TestLongLease(t *testing.T) {
	for keys, want := range map[string]int{
		"": 0, `advert_interval = "100ms"`: 0, `lease = "0s"`: 0, `lease = "10s"`: 6,
		"advert_interval = \"100ms\"\nlease = \"2s\"": 7, "advert_interval = \"100ms\"\nlease = \"1s\"": 0,
		"advert_interval = \"5s\"\nlease = \"10s\"": 0,
	} {
		written := "vrrp_instance \"web\" {\n interface = \"eth0\"\n virtual_router_id = 51\n virtual_addresses = [\"192.0.2.1\"]\n\n" + keys + "\n}\n"
		c, diags := (&Loader{how: loading{look: true}}).load([]text{{"x.hcl", []byte(written)}}, nil, nil)
		if c == nil || want == 0 && len(diags) > 0 || want > 0 && (len(diags) != 1 || diags[0].Severity != SeverityWarning || diags[0].Range.Start.Line != want) {
			t.Errorf("%s: %s", keys, diags.Text(false))
		}
	}
}
