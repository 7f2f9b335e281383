# One instance with addresses of both families, in one state, and one pool for each
# family behind them. RFC 9568 wants a link-local address first among the IPv6 ones.
#
# Both directors of the pair run this file; only the priority differs.

variable "priority" { default = 100 }

locals {
  pools = {
    web4 = { vip = "192.0.2.10:443", servers = ["10.1.2.3:443", "10.1.4.5:443"] }
    web6 = { vip = "[2001:db8::10]:443", servers = ["[2001:db8:1::3]:443", "[2001:db8:1::5]:443"] }
  }
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = var.priority
  virtual_addresses = ["192.0.2.10/24", "fe80::5e00:2:33/64", "2001:db8::10/64"]
  virtual_mac       = true
}

dynamic "virtual_server" {
  for_each = local.pools
  labels   = [virtual_server.key]
  content {
    address         = virtual_server.value.vip
    scheduler       = "mh"
    scheduler_flags = ["mh-fallback"]
    forward_method  = "dr"

    health_check "https" {
      host           = "www.example.org"
      path           = "/healthz"
      ca_file        = "/etc/ssl/certs/internal-ca.pem"
      server_name    = "www.example.org"
      expiry_warning = "336h"
    }

    dynamic "real_server" {
      for_each = virtual_server.value.servers
      labels   = [real_server.value]
      content {}
    }
  }
}
