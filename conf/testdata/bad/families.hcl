global {
  ipvs {
    sync {
      interface = "eth0"
      id        = 51
      instance  = "web"
    }
  }
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.200/32"]
}

virtual_server "of one family" {
  address        = "192.168.60.200:80"
  forward_method = "tun"
  real_server "10.1.2.3:80" {}
}

virtual_server "of both" {
  address        = "192.168.60.200:81"
  forward_method = "tun"
  real_server "10.1.2.3:81" {}
  real_server "[fd00:10::11]:81" {}
}
