package conf

import (
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode"

	"usher/healthcheck"
	"usher/vrrp"
)

// Redacted is the whole configuration for people and for the API: maps, lists,
// strings, numbers and flags under names as the files have them, ready for
// encoding/json. Secrets that have a place of their own are not in it: passwords, keys
// of signatures, paths of webhooks, environment of commands, headers that carry
// credentials. Those that stand elsewhere are found by their values: see Secrets.
func (c *Config) Redacted() any { return display(reflect.ValueOf(*c)) }

// isSecret names the fields that are hidden wherever they stand.
func isSecret(name string) bool {
	return name == "Password" || name == "Secret" || name == "OldSecret" || name == "Env"
}

func display(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		return display(v.Elem())
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return shortDuration(x)
	case vrrp.Bind:
		return map[vrrp.Bind]string{vrrp.BindAddress: "address", vrrp.BindLocalRoute: "local_route"}[x]
	case vrrp.Checksum:
		return map[vrrp.Checksum]string{vrrp.ChecksumAuto: "auto", vrrp.ChecksumRFC9568: "rfc9568", vrrp.ChecksumPseudoHeader: "pseudo_header"}[x]
	case healthcheck.Header:
		return redactHeader(x)
	case []byte:
		return string(x)
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	case fmt.Stringer:
		return x.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		redactStruct(v, out)
		return out
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = display(v.Index(i))
		}
		return out
	case reflect.String:
		return v.String()
	}
	return v.Interface()
}

func redactStruct(v reflect.Value, out map[string]any) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		value := v.Field(i)
		switch {
		case f.Tag.Get("json") == "-", f.Name == "Sensitive": // what no document shows
		case f.Anonymous:
			redactStruct(value, out)
		case isSecret(f.Name) && !isCredential(value):
			if !value.IsZero() {
				out[snake(f)] = healthcheck.Hidden
			}
		case f.Name == "URL":
			out[snake(f)] = redactURL(value.String())
		default:
			out[snake(f)] = display(value)
		}
	}
}

// isCredential says whether a value only tells where a secret is read from.
func isCredential(v reflect.Value) bool {
	return v.Type() == reflect.TypeFor[*healthcheck.Credential]()
}

// redactURL leaves scheme and host: paths and queries of webhooks are secrets.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return healthcheck.Hidden
	}
	if u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" {
		return s
	}
	return u.Scheme + "://" + u.Host + "/" + healthcheck.Hidden
}

func redactHeader(h healthcheck.Header) any {
	value := h.Value
	if h.Secret() {
		value = healthcheck.Hidden
	}
	return map[string]any{"name": h.Name, "value": value}
}

// snake is a field's name as files have it: that of its tag, or RouterID as
// router_id.
func snake(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	var b strings.Builder
	letters := []rune(f.Name)
	for i, r := range letters {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
