package conf

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"reflect"
	"slices"

	"usher/healthcheck"
	"usher/healthcheck/redact"
	"usher/vrrp"
)

// ownFields are the fields that may differ from director to director, and why. The keys
// that fill them are in the test of digests, which tries every key that there is.
var ownFields = map[string]string{
	"conf.Global.RouterID":              "its name",
	"conf.Global.State":                 "folders of this machine",
	"conf.Global.Control":               "a file of this machine",
	"conf.Global.HTTP":                  "its address",
	"conf.Global.HTTPHosts":             "its names",
	"conf.Global.Remote":                "its address and certificate",
	"conf.Global.Log":                   "one is looked at more closely than the others, for a while",
	"conf.Sync.Interface":               "names of interfaces",
	"conf.Email.HELO":                   "its name",
	"conf.BFD.Interface":                "names of interfaces",
	"announce.Announcement.Interfaces":  "names of interfaces",
	"vrrp.Config.Interface":             "names of interfaces",
	"vrrp.Config.VRF":                   "names of interfaces",
	"vrrp.Config.Priority":              "which of them is active",
	"vrrp.Config.Source4":               "its address",
	"vrrp.Config.Source6":               "its address",
	"vrrp.Unicast.Peers":                "each names the others",
	"vrrp.Address.Interface":            "names of interfaces",
	"vrrp.Address.Label":                "it begins with the name of an interface",
	"vrrp.Route.Interface":              "names of interfaces",
	"vrrp.Rule.Interface":               "names of interfaces",
	"director.VirtualServer.SNAT":       "its addresses",
	"healthcheck.Check.Interface":       "names of interfaces",
	"healthcheck.BFD.Source":            "its address",
	"healthcheck.SMTP.HELO":             "its name",
	"director.VirtualServer.Address":    "as somebody wrote what Keys say",
	"director.RealServer.ProbeMark":     "made of names, and of what other virtual servers have",
	"healthcheck.Via.Mark":              "likewise",
	"discover.Source.Name":              "made of the others",
	"conf.Template.Alike":               "follows from global",
	"conf.OwnParts.Bind":                "follows from bind_address, which is its own",
	"director.VirtualServer.Discovered": "follows from Discover",
}

// orderedFields are the lists whose order means something; of all others it is none of the
// digest's.
var orderedFields = []string{
	"conf.Notify.Command", "vrrp.Track.Command", "healthcheck.Exec.Command", // arguments
	"healthcheck.TLS.ALPN", "discover.DNS.Servers", // in order of preference
	"director.VirtualServer.Sorry", "conf.VirtualServer.Discover", // the first that will do counts
}

func fieldOf(t reflect.Type, f reflect.StructField) string { return t.String() + "." + f.Name }

// digester writes what digests are made of: every field with its name, texts and lists
// with their lengths, so that two different configurations never give the same bytes.
type digester struct {
	key    []byte
	hidden *redact.Set // secrets, where there is no key; else nil
	out    []byte
	fields map[reflect.Type][]digested
}

// digested is a field that counts.
type digested struct {
	at      int
	name    string
	ordered bool
}

func newDigester(key []byte) *digester {
	return &digester{key: keyed(key, "usher: digests of the configuration"), fields: map[reflect.Type][]digested{}}
}

// of are the fields of a structure that count.
func (d *digester) of(t reflect.Type) []digested {
	all, ok := d.fields[t]
	if ok {
		return all
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if _, own := ownFields[fieldOf(t, f)]; own || d.hidden != nil && isSecret(f.Name) && f.Type != reflect.TypeFor[*healthcheck.Credential]() {
			continue
		}
		all = append(all, digested{i, f.Name, slices.Contains(orderedFields, fieldOf(t, f))})
	}
	d.fields[t] = all
	return all
}

func (d *digester) number(n uint64) { d.out = binary.AppendUvarint(d.out, n) }

func (d *digester) text(s string) {
	if d.hidden != nil {
		s = d.hidden.Text(s)
	}
	d.number(uint64(len(s)))
	d.out = append(d.out, s...)
}

func (d *digester) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		d.number(map[bool]uint64{true: 1}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.out = binary.AppendVarint(d.out, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		d.number(math.Float64bits(v.Float()))
	case reflect.String:
		d.text(v.String())
	case reflect.Pointer:
		if v.IsNil() {
			d.number(0)
			return
		}
		d.number(1)
		d.value(v.Elem())
	case reflect.Slice, reflect.Array:
		d.list(v, false)
	case reflect.Struct:
		d.whole(v)
	default: // nothing else is in a configuration, which its test holds
		panic("conf: no digest of a " + v.Type().String())
	}
}

// whole writes a structure, whatever it is.
func (d *digester) whole(v reflect.Value) {
	switch x := v.Interface().(type) {
	case netip.Addr:
		d.text(x.String())
	case netip.AddrPort:
		d.text(x.String())
	case netip.Prefix:
		d.text(x.String())
	case healthcheck.Check:
		x.Bind = netip.AddrPortFrom(netip.IPv4Unspecified(), x.Bind.Port()) // its address is the director's
		d.structure(reflect.ValueOf(x))
	case vrrp.Track:
		if x.Kind == vrrp.TrackInterface {
			x.Name = "" // of an interface
		}
		d.structure(reflect.ValueOf(x))
	case Template:
		d.template(x)
	default:
		d.structure(v)
	}
}

// structure writes its fields.
func (d *digester) structure(v reflect.Value) {
	for _, f := range d.of(v.Type()) {
		d.out = append(append(d.out, f.name...), 0)
		switch field := v.Field(f.at); {
		case f.ordered:
			d.list(field, true)
		case f.name == "URL" && d.hidden != nil:
			d.text(redactURL(field.String()))
		default:
			d.value(field)
		}
	}
	d.out = append(d.out, 0)
}

// list writes the elements, in the order of what they are made of unless their own counts.
func (d *digester) list(v reflect.Value, ordered bool) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		d.text(string(v.Bytes()))
		return
	}
	d.number(uint64(v.Len()))
	start := len(d.out)
	ends := make([]int, v.Len())
	for i := range ends {
		d.value(v.Index(i))
		ends[i] = len(d.out)
	}
	if ordered || len(ends) < 2 {
		return
	}
	made := slices.Clone(d.out[start:])
	elements, from := make([][]byte, len(ends)), 0
	for i, end := range ends {
		elements[i], from = made[from:end-start], end-start
	}
	slices.SortFunc(elements, bytes.Compare)
	d.out = d.out[:start]
	for _, e := range elements {
		d.out = append(d.out, e...)
	}
}

// template writes the checks of discovered servers together with what of each is the
// server's own.
func (d *digester) template(t Template) {
	type own struct {
		Check healthcheck.Check
		Own   OwnParts
	}
	checks := make([]own, len(t.Own))
	for i := range checks {
		checks[i] = own{t.Target.Checks[i], t.Own[i]}
	}
	t.Target.Checks, t.Own = nil, nil
	d.structure(reflect.ValueOf(t))
	d.list(reflect.ValueOf(checks), false)
}
