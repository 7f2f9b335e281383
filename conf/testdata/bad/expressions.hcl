variable "priority" { default = 300 }
variable "needed" {}
variable "priority" {}

locals {
  a = local.b
  b = local.a
  servers = ["10.1.2.3", "10.1.2.999"]
}

vrrp_instance "web" {
  interface         = env("NO_SUCH_VARIABLE_OF_USHER")
  virtual_router_id = var.vrid
  priority          = var.priority
  virtual_addresses = [cidrhost("192.168.60.0/24", 256)]
}

virtual_server "web" {
  address = "192.168.60.200:80"
  dynamic "real_server" {
    for_each = local.servers
    labels   = ["${real_server.value}:80"]
    content { weight = real_server.key * 70000 }
  }
  health_check "http" { body = file("no-such-file") }
}
