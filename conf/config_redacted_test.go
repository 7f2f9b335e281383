package conf

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRedacted: no secret of any kind is in what the API shows, and the rest is
// under the names of the files.
func TestRedacted(t *testing.T) {
	c := loadText(t, `
global {
  router_id = "lb1"
  webhook "https://user:visible-user@alerts.example.org/visible-path?visible=query" { secret = "visible-secret" }
  email {
    server   = "mail.example.org"
    from     = "usher@example.org"
    to       = ["ops@example.org"]
    user     = "usher"
    password = "visible-password"
  }
}
vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 52
  version           = 2
  virtual_addresses = ["192.168.60.201/32"]
  authentication {
    type     = "pass"
    password = "visible"
  }
}
virtual_server "web" {
  address = "192.0.2.1:80"
  health_check "http" {
    headers   = { X-Auth = "Bearer visible-token", Accept = "*/*" }
    auth      = "basic"
    auth_user = "probe"
    auth_file = "/etc/usher/probe.secret"
  }
  health_check "exec" {
    command     = ["/bin/true"]
    environment = { TOKEN = "visible-environment" }
  }
  real_server "10.0.0.1:80" {}
}
`)
	text, err := json.Marshal(c.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"visible"} {
		if at := strings.Index(string(text), secret); at >= 0 {
			t.Errorf("a secret is shown: ...%s...", text[max(0, at-60):min(len(text), at+60)])
		}
	}
	for _, shown := range []string{`"router_id":"lb1"`, `"advert_interval":"1s"`, `"virtual_router_id":52`, `"server":"mail.example.org:25"`, `"file":"/etc/usher/probe.secret"`, `"password":"(hidden)"`, `"bind":"address"`} {
		if !strings.Contains(string(text), shown) {
			t.Errorf("%s is missing in %s", shown, text)
		}
	}
}
