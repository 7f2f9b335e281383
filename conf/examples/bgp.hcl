# Several directors that are all active: each announces the VIP to its router by
# BGP, the router spreads flows over them by ECMP, and mh has every director pick
# the same real server for a flow. Every director runs this file; only its own
# address differs. The router's part is in bgp-frr.conf and bgp-bird.conf.
#   usher real-server -c bgp.hcl

variable "address" { default = "192.168.60.2" }
variable "bfd" { default = "50ms" } # a virtual machine may stand still for longer than three of these

bgp {
  asn       = 65001
  router_id = var.address

  peer "192.168.60.254" {
    asn       = 65000
    hold_time = "9s"
    bfd { min_tx = var.bfd }
  }
}

announce "web" {
  addresses   = ["192.0.2.10/32"]
  communities = ["65000:100"]

  track_interface "eth1" {}
}

virtual_server "web" {
  address         = "192.0.2.10:80"
  scheduler       = "mh"
  scheduler_flags = ["mh-port", "mh-fallback"]
  forward_method  = "dr"

  health_check "http" { path = "/healthz" }

  real_server "10.1.2.3:80" {}
  real_server "10.1.4.5:80" {}
  real_server "10.1.3.8:80" {}
}
