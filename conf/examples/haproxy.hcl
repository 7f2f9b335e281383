# A pair in front of nothing but itself: usher floats the VIP between two machines
# that run HAProxy, and the one whose HAProxy works has it. No IPVS is needed.
#
# Both machines run this file; only the priority differs:
#   usher run -c haproxy.hcl --var priority=150

variable "priority" { default = 100 }

vrrp_instance "haproxy" {
  interface         = "eth0"
  virtual_router_id = 60
  priority          = var.priority
  virtual_addresses = ["192.0.2.10/24"]

  # Without HAProxy this machine is worth less than its peer.
  track_process "haproxy" { weight = -100 }

  # HAProxy runs, but does it answer?
  track_script "answers" {
    command  = ["/usr/bin/curl", "--fail", "--silent", "--max-time", "1", "http://127.0.0.1:8404/healthz"]
    interval = "2s"
    timeout  = "2s"
    fall     = 2
    user     = "nobody"
    weight   = -100
  }

  # Before a takeover: is it the peer that is silent, or this machine that is cut off?
  witness { ping = ["192.0.2.1"] }

  notify {
    command = ["/etc/usher/notify"]
    on      = ["active", "backup", "fault", "split_brain"]
  }
}
