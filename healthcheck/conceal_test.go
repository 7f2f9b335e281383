package healthcheck_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/healthcheck"
)

func TestConceal(t *testing.T) {
	long := strings.Repeat("x", 76)
	for _, tc := range []struct {
		text    string
		secrets []string
		want    string
	}{
		{"nothing in it", []string{"secret"}, "nothing in it"},
		{"no secrets", nil, "no secrets"},
		{"an empty one", []string{""}, "an empty one"},
		{"it is secret, secret!", []string{"secret"}, "it is (hidden), (hidden)!"},
		{fmt.Sprintf("it says %q", `se"cr\et`), []string{`se"cr\et`}, `it says "(hidden)"`},
		{"Basic c2VjcmV0", []string{"secret"}, "Basic (hidden)"},
		{"secretary and secret", []string{"secret", "secretary"}, "(hidden) and (hidden)"},
		{"(hidden) is hidden", []string{"hidden", "d"}, "((hidden)) is (hidden)"},
		{fmt.Sprintf("begins with %q...", long+"secr"), []string{"secret"}, `begins with "` + long + `(hidden)"...`},
		{fmt.Sprintf("%q... and %q... then", long+"sec", "no"), []string{"secret"}, `"` + long + `(hidden)"... and "no"... then`},
	} {
		if got := healthcheck.Conceal(tc.text, tc.secrets...); got != tc.want {
			t.Errorf("%q without %q is %q, not %q", tc.text, tc.secrets, got, tc.want)
		}
	}
}

// TestSecretHeaders: names that are in use for credentials, whoever made them up.
func TestSecretHeaders(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "proxy-authorization": true, "Cookie": true, "X-API-Key": true, "Api-Key": true, "X-Auth-Token": true, "X-Auth": true,
		"X-Vault-Token": true, "PRIVATE-TOKEN": true, "X-Client-Secret": true, "X-Password": true,
		"Accept": false, "Host": false, "User-Agent": false, "X-Probe": false, "Cache-Control": false, "X-Author": false,
	} {
		if got := (healthcheck.Header{Name: name, Value: "v"}).Secret(); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
