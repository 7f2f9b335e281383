package healthcheck

import (
	"net/http"
	"slices"
	"strings"

	"usher/healthcheck/redact"
)

// Hidden stands where a secret was.
const Hidden = redact.Hidden

// Conceal hides secrets in a text for people, which may hold them because a server
// sent back what it was told: however short they are, in every form that package redact
// knows. Empty secrets are passed over.
func Conceal(text string, secrets ...string) string {
	if text == "" {
		return text
	}
	return redact.Exactly(secrets...).Text(text)
}

// secretWords are in the names of what is secret: headers, parameters, variables.
var secretWords = []string{"authorization", "cookie", "token", "secret", "passw", "passphrase", "pwd", "credential"}

// SecretName says whether what has this name, a header, a parameter of a query or a
// variable of the environment, holds a secret, as far as its name tells.
func SecretName(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "key") || strings.HasSuffix(name, "auth") || strings.HasSuffix(name, "pass") ||
		slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// Secret says whether the header carries a credential, as far as its name tells.
func (h Header) Secret() bool { return SecretName(h.Name) }

// Secrets are the header's value and the parts of it that are secret by themselves, where
// it carries a credential: what comes after the scheme, and the values of cookies.
func (h Header) Secrets() []string {
	if !h.Secret() {
		return nil
	}
	_, token, _ := strings.Cut(h.Value, " ")
	all := []string{h.Value, token}
	if cookies, err := http.ParseCookie(h.Value); err == nil {
		for _, c := range cookies {
			all = append(all, c.Value)
		}
	}
	return all
}

// SecretVariable says whether a variable of a program's environment is secret, as far as
// its name tells: AWS_ACCESS_KEY_ID and PASSFILE are, too. Others are left in what the
// program prints, which would be hard to read without them.
func SecretVariable(name string) bool {
	lower := strings.ToLower(name)
	return SecretName(name) || strings.Contains(lower, "key") || strings.Contains(lower, "pass")
}
