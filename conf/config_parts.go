package conf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"usher/healthcheck/redact"
)

// Parts are digests of the configuration in parts, by names such as "virtual_server web",
// "vrrp_instance edge" and "global". Directors of one service that are to do the same have
// equal digests, whatever the order of blocks, comments, and whether defaults are written;
// what may differ from director to director, such as priority and interface, is in none.
//
// Digests are keyed, so that nobody without the key can try secrets out on them. Where
// there is no key, secrets are left out: directors that differ in them alone look equal.
func (c *Config) Parts(key []byte) map[string]string {
	d := newDigester(key)
	if len(key) == 0 {
		d.hidden = redact.Everywhere(c.Secrets())
	}
	all := map[string]string{}
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		kind := partKind(v.Type().Field(i))
		switch f := v.Field(i); {
		case kind == "":
		case f.Kind() == reflect.Slice:
			for j := range f.Len() {
				all[kind+" "+f.Index(j).FieldByName("Name").String()] = d.digest(f.Index(j))
			}
		case f.Kind() != reflect.Pointer || !f.IsNil():
			all[kind] = d.digest(f)
		}
	}
	return all
}

// partKind is the block that a field of Config is made of; "" where the field is no part:
// it says how the configuration was read, or who the others are.
func partKind(f reflect.StructField) string {
	switch f.Name {
	case "Files", "Sensitive", "Blank", "Peers", "BGP": // a session is of two; which routers a director has is its place's affair
		return ""
	case "Instances":
		return "vrrp_instance"
	case "Groups":
		return "vrrp_sync_group"
	case "VirtualServers":
		return "virtual_server"
	}
	return snake(f)
}

// PartsKey names the key of digests, without giving it away; "" for none.
func PartsKey(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return hex.EncodeToString(keyed(key, "usher: name of the key of digests")[:4])
}

// PartsForm says what digests are made of: the keys that there are, their defaults and
// where they go. Digests of two versions of usher with different forms say nothing about
// each other.
func PartsForm() string { return partsForm() }

var partsForm = sync.OnceValue(func() string {
	sum := sha256.New()
	for _, k := range SchemaKeys() {
		fmt.Fprintln(sum, k.String(), k.Type, k.Default)
	}
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		fmt.Fprintln(sum, t)
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(t.Elem())
		case reflect.Struct:
			if seen[t] {
				return
			}
			seen[t] = true
			for i := range t.NumField() {
				f := t.Field(i)
				fmt.Fprintln(sum, f.Name, ownFields[fieldOf(t, f)], slices.Contains(orderedFields, fieldOf(t, f)))
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
	return hex.EncodeToString(sum.Sum(nil)[:4])
})

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// digest is that of one part.
func (d *digester) digest(v reflect.Value) string {
	d.out = d.out[:0]
	d.value(v)
	h := hmac.New(sha256.New, d.key)
	h.Write(d.out)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:8])
}
