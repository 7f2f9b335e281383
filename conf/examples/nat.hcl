# The classic LVS service by nat: the director rewrites the destination, answers
# come back through it. The real servers' default route is the address of the
# instance "gateway", which floats together with the VIP.
#
# Both directors of the pair run this file; only the priority differs:
#   usher run -c nat.hcl --var priority=150

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

vrrp_instance "gateway" {
  interface         = "eth1"
  virtual_router_id = 52
  priority          = var.priority
  virtual_addresses = ["10.1.0.1/16"]
}

vrrp_sync_group "edge" {
  instances = ["web", "gateway"]
}

virtual_server "web" {
  address        = "192.168.60.200:9376"
  scheduler      = "rr"
  forward_method = "nat"
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
