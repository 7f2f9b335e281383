# The servers after the first have nothing of their own but the address.
virtual_server "a" {
  address        = "192.0.2.1:80-82"
  forward_method = "nat"
  health_check "tcp" {}
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2" {}
  real_server "224.0.0.1:80" {}
}
