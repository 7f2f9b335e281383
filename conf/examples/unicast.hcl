# VRRP without multicast, as clouds and some switches want it: each director sends
# to its peer. The two files differ in address and priority:
#   usher run -c unicast.hcl --var self=192.0.2.2 --var peer=192.0.2.3 --var priority=150

variable "self" { default = "192.0.2.2" }
variable "peer" { default = "192.0.2.3" }
variable "priority" { default = 100 }

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = var.priority
  advert_interval   = "250ms"
  virtual_addresses = ["192.0.2.10/24"]

  # A director that comes back waits until its services are warm.
  preempt_delay = "30s"

  unicast {
    source = var.self
    peers  = [var.peer]
  }

  # Adverts that leave the link can be forged by anybody on their way. Both directors
  # have the same key, made once and copied by a safe way:
  #   (umask 077; echo "hex:$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')" > /etc/usher/vrrp.key)
  # A pair that runs already gets it in three steps: see "Signed adverts" in the README.
  authentication {
    type       = "hmac"
    active_key = 1
    mode       = "enforce"
    key "1" { secret_file = "/etc/usher/vrrp.key" }
  }
}
