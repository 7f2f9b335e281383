virtual_server "web" {
  address = "192.0.2.1:80"
  discover "dns" {
    name    = "web..example"
    type    = "AAAA"
    servers = ["ns.example", "192.0.2.53"]
  }
  discover "dns" {
    name = "_web._tcp.example"
    type = "SRV"
    port = 80
  }
  discover "file" { paths = ["targets/*/web.json", "targets/web*", "[.json"] }
  discover "http" {
    url          = "ftp://cmdb.example/targets"
    cert_file    = "client.pem"
    interval     = "1s"
    min_interval = "2s"
  }
  discover "http" {
    url      = "http://cmdb.example/targets"
    insecure = true
    weigth   = 2
  }
  discover "file" { paths = ["web.json"] }
  discover "file" { paths = ["web.json"] }
  discover "consul" { name = "web" }
  discover "http" {
    url       = "https://cmdb.example/"
    max_leave = 1.5
  }
}

virtual_server "checked" {
  address = "192.0.2.2:80"
  discover "dns" { name = "web.example" }
  health_check "agent" {}
}
