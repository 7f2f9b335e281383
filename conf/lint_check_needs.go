package conf

import (
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"
)

// needed looks whether this machine has the files that a check reads when it runs, and the
// variables that its secrets come from, where somebody wants to know: without them the
// check says nothing of its servers.
func (b *builder) needed(n *node) {
	for _, look := range []struct {
		there   func(string) error
		keys    []string
		summary string
		named   func(key string) string
	}{
		{b.how.files, []string{"auth_file", "password_file", "ca_file", "cert_file", "key_file"}, "File of a check is not there", n.path},
		{b.how.variables, []string{"auth_env", "password_env"}, "Variable of a check is not set", n.text},
	} {
		if look.there == nil {
			continue
		}
		for _, key := range look.keys {
			v := n.values[key]
			if v == nil || v.bad || n.text(key) == "" {
				continue
			}
			if err := look.there(look.named(key)); err != nil {
				b.warnOnce(v.at, look.summary, fmt.Sprintf("%s is %s: %v. The check judges no server without it.", key, look.named(key), err))
			}
		}
	}
}

// warnOnce is warn of what several blocks inherit from one place.
func (b *builder) warnOnce(at hcl.Range, summary, detail string) {
	key := at.String() + " " + detail
	if !b.told[key] {
		b.told[key] = true
		b.warn(at, summary, detail)
	}
}

// once is a look that is taken once for each name, however many ask; nil for none.
func once(look func(string) error) func(string) error {
	if look == nil {
		return nil
	}
	var seen sync.Map // of func() error, by name
	return func(name string) error {
		f, ok := seen.Load(name)
		if !ok {
			f, _ = seen.LoadOrStore(name, sync.OnceValue(func() error { return look(name) }))
		}
		return f.(func() error)()
	}
}
