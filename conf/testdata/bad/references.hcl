global {
  ipvs {
    sync {
      interface = "eth0"
      instance  = "wed"
    }
  }
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.200/32"]
  track_virtual_server "wbe" {}
  track_bfd "router" {}
}

vrrp_sync_group "edge" {
  instances = ["web", "old"]
}

vrrp_sync_group "core" {
  instances = ["web"]
}

virtual_server "web" {
  address = "192.168.60.200:80"
  real_server "10.1.2.3:80" {}
}
