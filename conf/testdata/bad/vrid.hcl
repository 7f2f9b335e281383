vrrp_instance "zero" {
  interface         = "eth0"
  virtual_router_id = 0
  virtual_addresses = ["192.168.60.200/32"]
}

vrrp_instance "big" {
  interface         = "eth0"
  virtual_router_id = 300
  virtual_addresses = ["192.168.60.201/32"]
}

vrrp_instance "one" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.202/32"]
}

vrrp_instance "two" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.203/32"]
}
