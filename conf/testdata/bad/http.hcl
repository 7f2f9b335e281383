virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  quorum         = 0
  health_check "http" {
    paths       = ["/ok", "//evil/%zz", "/page#part"]
    method      = "CONNECT"
    host        = "www.example.org"
    headers     = { Host = "other.example.org", Content-Length = "1" }
    expect_json = { "status..db" = "ok", "status[\"db.main\"][0]" = "ok" }
  }
  health_check "https" {
    http_version = "2"
    headers      = { Connection = "close" }
    alpn         = ["http/1.1"]
  }
  health_check "grpc" {
    tls  = true
    alpn = ["http/1.1"]
  }
  real_server "10.0.0.1:80" {}
}
