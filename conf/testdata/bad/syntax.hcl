vrrp_instance "web" {
  interface = "eth0
  virtual_router_id = 51
}
