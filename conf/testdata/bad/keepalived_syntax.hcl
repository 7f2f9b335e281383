vrrp_instance "web" {
  interface "eth0"
  virtual_router_id 51
  priority = 150
  virtual_addresses = ["192.168.60.200/24"]
}

include "conf.d/*.hcl"

$VIP = "192.168.60.200"

! HCL with habits
