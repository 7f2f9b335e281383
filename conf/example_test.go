package conf_test

import (
	"fmt"
	"os"
	"path/filepath"

	"usher/conf"
)

// A configuration is what the three domains are given, ready and valid.
func ExampleLoad() {
	file, remove := written(`
variable "priority" { default = 100 }

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = var.priority
  virtual_addresses = ["192.0.2.200/24"]
}

virtual_server "web" {
  address        = "192.0.2.200:80"
  forward_method = "nat"
  health_check "http" { path = "/ready" }
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" { weight = 3 }
}
`)
	defer remove()

	config, diags := conf.Load([]string{file}, map[string]string{"priority": "150"})
	if diags.HasErrors() {
		fmt.Println(diags.Text(false))
		return
	}
	for _, i := range config.VRRP().Instances {
		fmt.Println("instance", i.Name, "on", i.Interface, "with priority", i.Priority)
	}
	for _, pool := range config.Pools() {
		for _, server := range pool.Real {
			fmt.Println("real server", server.Address, "with weight", server.Weight)
		}
	}
	for _, target := range config.Targets() {
		check := target.Checks[0]
		fmt.Println("check", check.Type, "of", check.Address, check.HTTP.Paths, "every", check.Interval)
	}
	// Output:
	// instance web on eth0 with priority 150
	// real server 10.0.0.1:80 with weight 1
	// real server 10.0.0.2:80 with weight 3
	// check http of 10.0.0.1:80 [/ready] every 2s
	// check http of 10.0.0.2:80 [/ready] every 2s
}

// What is wrong is said with its place, all of it at once, and with what to write instead.
func ExampleDiagnostics_Text() {
	_, diags := conf.LoadText("usher.hcl", []byte(`
virtual_server "web" {
  address   = "192.0.2.200:80"
  schedular = "wrr"
  real_server "10.0.0.1:80" {}
}
`), nil)
	fmt.Print(diags.Text(false))
	// Output:
	// Error: Unsupported argument
	//
	//   on usher.hcl line 4, in virtual_server "web":
	//    4:   schedular = "wrr"
	//         ^^^^^^^^^
	//
	// An argument named "schedular" is not expected here. Did you mean "scheduler"?
}

// written puts a configuration into a file for the time of an example.
func written(text string) (file string, remove func()) {
	dir, err := os.MkdirTemp("", "usher-example")
	if err != nil {
		panic(err)
	}
	file = filepath.Join(dir, "usher.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return file, func() { os.RemoveAll(dir) }
}
