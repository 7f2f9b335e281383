vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 52
  version           = 2
  advert_interval   = "1500ms"
  virtual_addresses = ["192.168.60.201/32", "2001:db8::1/64"]
  authentication {
    type     = "ah"
    password = "far too long"
  }
}

vrrp_instance "new" {
  interface         = "eth0"
  virtual_router_id = 53
  advert_interval   = "41s"
  virtual_addresses = ["192.168.60.202/32"]
  authentication {
    type     = "pass"
    password = "secret"
  }
  unicast {
    source = "192.168.60.2"
    peers  = ["192.168.60.3", "192.168.60.2"]
    peer "192.168.60.4" {
      min_ttl = 255
      max_ttl = 200
    }
  }
}
