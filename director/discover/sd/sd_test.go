package sd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/director/discover"
	"usher/director/discover/sd"
	"usher/healthcheck"
)

// text is an answer in one line.
func text(a discover.Answer) string {
	if a.Failure != nil {
		return string(a.Failure.Reason)
	}
	var all []string
	for _, e := range a.Entries {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %d %s", e.Address, e.Weight, e.Forward)))
	}
	for _, i := range a.Ignored {
		all = append(all, "("+i.Entry+")")
	}
	return strings.Join(all, ", ")
}

func TestLists(t *testing.T) {
	for _, c := range []struct {
		list, json, yaml string
	}{
		{`[]`, "", ""},
		{`[{"targets": []}]`, "", ""},
		{`[{"targets": ["10.0.0.1:80", "[2001:db8::1]:80", "10.0.0.2", "2001:db8::2", "[2001:db8::3]"]}]`,
			"10.0.0.1:80 -1, [2001:db8::1]:80 -1, 10.0.0.2:0 -1, [2001:db8::2]:0 -1, [2001:db8::3]:0 -1", "same"},
		{`[{"targets": ["10.0.0.1:80"], "labels": {"weight": "5", "forward_method": "dr", "__meta_x": "y"}}, {"targets": ["10.0.0.2:80"], "labels": {"weight": 0}}]`,
			"10.0.0.1:80 5 dr, 10.0.0.2:80 0", "same"},
		{`[{"targets": ["web1:80", "10.0.0.1:0", "10.0.0.1:http", "fe80::1%eth0", "0.0.0.0:80", "", "10.0.0.1:80"]}]`,
			"10.0.0.1:80 -1, (web1:80), (10.0.0.1:0), (10.0.0.1:http), (fe80::1%eth0), (0.0.0.0:80), ()", "same"},
		{`[{"targets": ["10.0.0.1:80"], "labels": {"weight": "heavy"}}]`, "(10.0.0.1:80)", "same"},
		{`[{"targets": ["10.0.0.1:80"], "labels": {"weight": "-1"}}]`, "(10.0.0.1:80)", "same"},
		{`[{"targets": ["10.0.0.1:80"], "labels": {"forward_method": "DR"}}]`, "(10.0.0.1:80)", "same"},
		{`[{"targets": "10.0.0.1:80"}]`, "malformed", "malformed"},
		{`{"targets": ["10.0.0.1:80"]}`, "malformed", "malformed"},
		{`[{"targets": ["10.0.0.1:80"]}`, "malformed", "malformed"},
		{`[{"targets": ["10.0.0.1:80"]}] []`, "malformed", "malformed"},
		{`null`, "malformed", "malformed"},
		{``, "malformed", "malformed"},
		{`<html>404</html>`, "malformed", "malformed"},
		{"- targets: [10.0.0.1:80]\n  labels:\n    weight: 2\n", "malformed", "10.0.0.1:80 2"},
		{"- targets:\n    - 10.0.0.1:80\n---\n- targets: []\n", "malformed", "malformed"},
		{"# nothing yet\n", "malformed", "malformed"},
	} {
		if c.yaml == "same" {
			c.yaml = c.json
		}
		if got := text(sd.JSON([]byte(c.list))); got != c.json {
			t.Errorf("JSON %s: %q, expected %q", c.list, got, c.json)
		}
		if got := text(sd.YAML([]byte(c.list))); got != c.yaml {
			t.Errorf("YAML %s: %q, expected %q", c.list, got, c.yaml)
		}
	}
}

// An alias that stands for ten, ten deep, is no list of targets.
func TestBillionLaughs(t *testing.T) {
	text := "- &a0 {targets: [10.0.0.1]}\n"
	for i := range 12 {
		text += fmt.Sprintf("- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	if a := sd.YAML([]byte(text)); a.Failure == nil || a.Failure.Reason != discover.ReasonMalformed {
		t.Errorf("%+v", a)
	}
}

// Ten thousand servers are read; how many the pool has is not said here.
func TestTenThousand(t *testing.T) {
	var targets []string
	for i := range 10_000 {
		targets = append(targets, fmt.Sprintf(`"10.1.%d.%d:80"`, i>>8, i&255))
	}
	if a := sd.JSON([]byte(`[{"targets": [` + strings.Join(targets, ",") + `]}]`)); len(a.Entries) != 10_000 {
		t.Errorf("%d servers: %v", len(a.Entries), a.Failure)
	}
}

func fuzz(f *testing.F, read func([]byte) discover.Answer) {
	for _, seed := range []string{`[]`, `[{"targets": ["10.0.0.1:80", "x\u001b[31m"], "labels": {"weight": "5", "forward_method": "dr"}}]`, "- targets: [10.0.0.1:80]\n  labels: {weight: 2}\n", "&a [*a]", `[{"labels": {"weight": {}}}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		a := read(list)
		if a.Failure != nil {
			if len(a.Entries)+len(a.Ignored) > 0 || !slices.Contains(discover.Reasons, a.Failure.Reason) || healthcheck.Printable(a.Failure.Text) != a.Failure.Text && len(a.Failure.Text) < healthcheck.MaxText {
				t.Errorf("%+v", a)
			}
			return
		}
		for _, e := range a.Entries {
			if !e.Address.Addr().IsValid() || e.Address.Addr().Zone() != "" || e.Weight < discover.NoWeight || e.Weight > 65535 {
				t.Errorf("%+v", e)
			}
		}
		for _, i := range a.Ignored {
			if healthcheck.Printable(i.Entry) != i.Entry || healthcheck.Printable(i.Why) != i.Why && len(i.Why) < healthcheck.MaxText {
				t.Errorf("%q: %q", i.Entry, i.Why)
			}
		}
	})
}

func FuzzJSON(f *testing.F) { fuzz(f, sd.JSON) }
func FuzzYAML(f *testing.F) { fuzz(f, sd.YAML) }
