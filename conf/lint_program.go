package conf

import "fmt"

// userWords is one grammar for every program: USER or USER:GROUP, names (as useradd takes
// them) or numbers.
var userWords = pattern(`^([A-Za-z0-9_][A-Za-z0-9_.-]*\$?)(?::([A-Za-z0-9_][A-Za-z0-9_.-]*\$?))?$`)

// runnable looks whether this machine has the program of a block, and the user that it is
// to run as, where somebody wants to know.
func (b *builder) runnable(n *node) {
	argv, user := n.texts("command"), n.values["user"]
	if b.how.programs == nil || len(argv) == 0 || argv[0] == "" || user != nil && (user.bad || b.bad[user.at.String()]) {
		return
	}
	var environment []string
	if n.values["environment"] != nil { // only checks have it
		for name, value := range n.pairs("environment") {
			environment = append(environment, name+"="+value)
		}
	}
	if err := b.how.programs(argv, n.text("user"), environment); err != nil {
		b.warn(n.values["command"].at, "Program cannot be run", fmt.Sprintf("This machine cannot run %s: %v.", argv[0], err))
	}
}

// runsAs checks whom a program is to run as; whether the machine knows them is found out
// where it runs.
func (b *builder) runsAs(n *node) {
	v := n.values["user"]
	if v == nil || v.bad || n.text("user") == "" || userWords().MatchString(n.text("user")) {
		return
	}
	b.complain(v.at, "Not a user", "user must be USER or USER:GROUP, names or numbers, such as \"nobody\" or \"nobody:nogroup\", not %q.", n.text("user"))
}
