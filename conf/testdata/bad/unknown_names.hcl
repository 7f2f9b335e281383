gobal {
  router_id = "lb1"
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priorty           = 100
  virtual_addresses = ["192.168.60.200/32"]
  scheduler         = "rr"
  grap {
    repeat = 5
  }
}

virtual_server "web" {
  address        = "192.168.60.200:80"
  scheduler      = "wcl"
  forward_method = "masq"
  health_check "htpp" {}
  health_check "http" {
    pth       = "/"
    ca_file   = "/etc/ssl/ca.pem"
  }
  real_server "10.1.2.3:80" {}
}
