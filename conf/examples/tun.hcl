# The classic LVS service by tunnel: packets reach the real servers as IP in IP,
# across routers too, and answers bypass the director. The real servers listen on
# the service's own port and carry the VIP on tunl0:
#   usher real-server -c tun.hcl
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
  forward_method = "tun"
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
    labels   = ["${real_server.value}:9376"]
    content {}
  }
}
