bgp {
  asn              = 23456
  router_id        = "2001:db8::1"
  graceful_restart = "2m"
  peer "192.0.2.254" {
    asn       = 65000
    hold_time = "2s"
    password  = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
  }
  peer "router" { asn = 65000 }
  peer "192.0.2.253" {
    asn          = 65000
    ttl_security = true
    multihop     = 3
    next_hop6    = "192.0.2.1"
  }
  peer "192.0.2.252" {
    asn       = 65000
    hold_time = "3s"
    bfd {
      min_tx     = "500ms"
      multiplier = 10
    }
  }
}

announce "web" {
  addresses       = ["192.0.2.10/24", "192.0.2.11", "192.0.2.1"]
  virtual_servers = ["webb", "nat"]
  instance        = "edge"
  communities     = ["65000:100", "65000", "65535:0"]
}

announce "other" {
  addresses = ["192.0.2.11", "2001:db8::11"]
}

vrrp_instance "edges" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.1/24"]
}

virtual_server "web" {
  address        = "198.51.100.1:80"
  forward_method = "dr"
  real_server "10.0.0.1:80" {}
}

virtual_server "nat" {
  address        = "192.0.2.12:80"
  forward_method = "nat"
  real_server "10.0.0.1:80" {}
}
