package ipvs

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

const bigConfig = `
virtual_server "big" {
  address        = "192.168.60.220:80"
  scheduler      = "rr"
  forward_method = "nat"
  real_server "10.1.2.3:8000" {}
}
`

// A single connection may carry more than 32 bits can count.
func TestCountersBeyond32Bits(t *testing.T) {
	l := suite.Uncaptured(t, "nat")
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", lab.BackVIP.String()+"/32", "dev", "eth1"))
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.220/32", "dev", "eth0"))
	labtest.Start(t, l.A, "-c", labtest.File(t, l.A, "usher.hcl", bigConfig))
	labtest.Serve(t, l.Real[0], 8000, func(c net.Conn) {
		for read := make([]byte, 1<<20); ; {
			if _, err := c.Read(read); err != nil {
				return
			}
		}
	})
	var c net.Conn
	labtest.Must(t, l.Client.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", "192.168.60.220:80", lab.WaitLimit)
		return err
	}))
	defer c.Close()
	// The kernel was seen to count some percent less than is sent.
	much := make([]byte, 1<<20)
	for range 5 << 30 / len(much) {
		labtest.Must(t, c.SetDeadline(time.Now().Add(lab.WaitLimit)))
		_, err := c.Write(much)
		labtest.Must(t, err)
	}
	counters(t, l, totals{connections: 1, in: 1<<32 + 1})
}

// totals are what all services together counted.
type totals struct{ connections, in, out int }

// What usher counts is what ipvsadm shows, to the last connection and the last byte, in
// metrics and status, and no less than is known to have been.
func counters(t *testing.T, l *lab.Lab, least totals) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), "metrics and status agree with ipvsadm", func() error {
		metrics, err := l.A.Control(t.Context(), "/metrics")
		if err != nil {
			return err
		}
		body, err := l.A.Control(t.Context(), "/api/v1/status")
		if err != nil {
			return err
		}
		var status struct {
			VirtualServers []struct {
				Counters struct {
					Connections int
					BytesIn     int `json:"bytes_in"`
					BytesOut    int `json:"bytes_out"`
				}
			} `json:"virtual_servers"`
		}
		if err := json.Unmarshal(body, &status); err != nil {
			return err
		}
		var told totals
		for _, v := range status.VirtualServers {
			told.connections += v.Counters.Connections
			told.in += v.Counters.BytesIn
			told.out += v.Counters.BytesOut
		}
		last := func(f []string) string { return f[len(f)-1] }
		counted := totals{
			sum(grep(string(metrics), "usher_ipvs_connections_total{"), last),
			sum(grep(string(metrics), `usher_ipvs_bytes_total{direction="in"`), last),
			sum(grep(string(metrics), `usher_ipvs_bytes_total{direction="out"`), last),
		}
		table := grep(labtest.Run(t, l.A, "ipvsadm", "-Ln", "--exact", "--stats"), "->")
		column := func(n int) int { return sum(table, func(f []string) string { return f[min(n, len(f)-1)] }) }
		shown := totals{column(2), column(5), column(6)}
		if shown.connections < least.connections || shown.in < least.in || counted != shown || told != shown {
			return fmt.Errorf("metrics have %+v, status %+v, ipvsadm %+v", counted, told, shown)
		}
		return nil
	}))
}

// sum adds up a number of each line.
func sum(lines string, number func(fields []string) string) int {
	total := 0
	for line := range strings.Lines(lines) {
		var n float64
		if f := strings.Fields(line); len(f) > 0 {
			if _, err := fmt.Sscan(number(f), &n); err == nil {
				total += int(n)
			}
		}
	}
	return total
}
