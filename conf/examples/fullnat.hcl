# The classic LVS service by full NAT: source and destination are rewritten, so
# that director and real servers need share no network and no gateway. The real
# servers see the director's address as the client's.
#
# Both directors of the pair run this file; only the priority differs.

variable "priority" { default = 100 }

locals {
  web = ["10.1.2.3", "10.1.4.5", "10.1.3.8"]
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = var.priority
  virtual_addresses = ["192.168.60.200/32"]
}

virtual_server "web" {
  address        = "192.168.60.200:9376"
  scheduler      = "rr"
  forward_method = "fullnat"
  persistence    = "600s"

  health_check "http" {
    path     = "/healthz"
    interval = "1s"
    timeout  = "1s"
    rise     = 2
    fall     = 2
  }

  dynamic "real_server" {
    for_each = local.web
    labels   = ["${real_server.value}:80"]
    content {}
  }
}
