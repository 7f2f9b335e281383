# Real servers that come and go by themselves: usher asks where they are listed, and
# follows. A source that fails, or says nonsense, changes nothing.

vrrp_instance "edge" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.10/24"]
}

# SRV records, as Consul and headless services of Kubernetes have them: address, port,
# weight and priority of each server. One server is written down, and always there.
virtual_server "web" {
  address = "192.0.2.10:80"
  health_check "http" { path = "/healthz" }
  discover "dns" {
    name    = "_web._tcp.service.example"
    type    = "SRV"
    servers = ["192.0.2.53", "192.0.2.54"]
  }
  real_server "10.1.2.3:8080" {}
}

# A file that somebody's deployment writes, in the form of Prometheus' file_sd:
#   [{"targets": ["10.1.3.1:443", "10.1.3.2:443"], "labels": {"weight": "2"}}]
virtual_server "tls" {
  address        = "192.0.2.10:443"
  forward_method = "dr"
  health_check "tls" { insecure = true }
  discover "file" { paths = ["/etc/usher/targets/tls*.json"] }
}

# A URL that answers in the form of Prometheus' http_sd. At most a quarter of the pool
# leaves by one answer, and a pool of no server at all is meant, if that is what it says.
virtual_server "api" {
  address       = "192.0.2.10:8443"
  drain_timeout = "5m"
  health_check "tcp" {}
  discover "http" {
    url         = "https://cmdb.example/targets?service=api"
    token_file  = "/etc/usher/cmdb.token"
    ca_file     = "/etc/usher/cmdb-ca.pem"
    interval    = "15s"
    allow_empty = true
    max_leave   = 0.25
  }
}
