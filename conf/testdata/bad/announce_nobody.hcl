announce "web" {
  addresses = ["192.0.2.10"]
}

virtual_server "web" {
  address        = "192.0.2.10:80"
  forward_method = "dr"
  real_server "10.0.0.1:80" {}
}
