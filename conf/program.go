package conf

// userWords is one grammar for every program: USER or USER:GROUP, names (as useradd takes
// them) or numbers.
var userWords = pattern(`^([A-Za-z0-9_][A-Za-z0-9_.-]*\$?)(?::([A-Za-z0-9_][A-Za-z0-9_.-]*\$?))?$`)

// runsAs checks whom a program is to run as; whether the machine knows them is found out
// where it runs.
func (b *builder) runsAs(n *node) {
	v := n.values["user"]
	if v == nil || v.bad || n.text("user") == "" || userWords().MatchString(n.text("user")) {
		return
	}
	b.complain(v.at, "Not a user", "user must be USER or USER:GROUP, names or numbers, such as \"nobody\" or \"nobody:nogroup\", not %q.", n.text("user"))
}
