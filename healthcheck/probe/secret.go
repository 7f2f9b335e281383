package probe

import (
	"context"
	"encoding/base64"
	"os"
	"strings"

	"usher/healthcheck"
	"usher/healthcheck/files"
)

// conceal keeps secrets out of a result's words: a server may send back what it was
// told, or say itself what it should not.
func conceal(r healthcheck.Result, secrets ...string) healthcheck.Result {
	r.Reason = healthcheck.Conceal(r.Reason, secrets...)
	return r
}

// secret reads a credential's secret; "" where there is no credential.
func secret(k *healthcheck.Credential) (string, error) {
	if k == nil {
		return "", nil
	}
	if k.File != "" {
		text, err := files.Soon(k.File, files.Secret)
		if err != nil {
			return "", ownFault("the credential cannot be read: %v", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	text, ok := os.LookupEnv(k.Variable)
	if !ok {
		return "", ownFault("the credential's environment variable %s is not set", k.Variable)
	}
	return text, nil
}

// login is a check that logs in to a database: its password is read, and stays out
// of the result.
func login(try func(context.Context, *healthcheck.Check, healthcheck.Database, string) healthcheck.Result) healthcheck.Func {
	return func(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
		var d healthcheck.Database
		if c.Database != nil {
			d = *c.Database
		}
		password, err := secret(d.Password)
		if err != nil {
			return failedBy(c, "reading the password", err)
		}
		return conceal(try(ctx, c, d, password), password)
	}
}

// authorize is the Authorization header of a credential with a secret (RFC 7617,
// RFC 6750); "" where there is no credential.
func authorize(k *healthcheck.Credential, secret string) string {
	switch {
	case k == nil:
		return ""
	case k.Scheme == "bearer":
		return "Bearer " + secret
	}
	return "Basic " + basic(k, secret)
}

func basic(k *healthcheck.Credential, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(k.User + ":" + secret))
}

// secretsGiven are the values of environment variables whose names say that they are
// secret.
func secretsGiven(environment []string) []string {
	var all []string
	for _, v := range environment {
		if name, value, _ := strings.Cut(v, "="); healthcheck.SecretVariable(name) {
			all = append(all, value)
		}
	}
	return all
}

// secretsSent are the secrets in a request: a credential's, in all the forms that
// it has there, and those of headers.
func secretsSent(h *healthcheck.HTTP, secret string) []string {
	var all []string
	if secret != "" {
		all = append(all, secret)
		if h.Credential.Scheme == "basic" {
			all = append(all, basic(h.Credential, secret))
		}
	}
	for _, x := range h.Headers {
		all = append(all, x.Secrets()...)
	}
	return all
}
