package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keywordFrames are files with one hole, AT, where a directive of a kind stands on a
// line of its own.
func keywordFrames() map[string]string {
	const defined = "vrrp_script s {\nscript /bin/true\n}\ntrack_file f {\nfile /run/f\n}\ntrack_file g {\nfile /run/g\n}\nvrrp_track_process p {\nprocess haproxy\n}\n" +
		"bfd_instance b {\nneighbor_ip 192.0.2.9\n}\n"
	const mail = "global_defs {\nsmtp_server mail.example.org\nnotification_email {\nx@example.org\n}\nnotification_email_from lb@example.org\nscript_user root\n}\n"
	const instance = "vrrp_instance a {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n192.0.2.1\n}\n"
	const other = "vrrp_instance a2 {\ninterface eth0\nvirtual_router_id 52\nvirtual_ipaddress {\n192.0.2.2\n}\n}\n"
	six := strings.NewReplacer("192.0.2.1", "fe80::1\n2001:db8::1", "51", "61", "instance a", "instance six").Replace(instance) + "}\n"
	const server = "virtual_server 192.0.2.1 80 {\nprotocol TCP\nlvs_sched mh\n"
	const real = "real_server 10.0.0.1 80 {\n"
	in := func(checker, inside string) string {
		return defined + mail + server + real + checker + " {\n" + inside + "AT\n}\n}\n}\n"
	}
	return map[string]string{
		"top":                defined + "AT\n" + instance + "}\n",
		"global_defs":        defined + "global_defs {\nAT\n}\n" + instance + "track_script {\ns\n}\n}\n" + six,
		"vrrp_instance":      defined + mail + instance + "AT\n}\n",
		"vrrp_sync_group":    defined + mail + instance + "track_interface {\neth3 weight 5\n}\n}\n" + other + "vrrp_sync_group q {\ngroup {\na\n}\nAT\n}\n",
		"vrrp_script":        mail + "vrrp_script s {\nscript /bin/true\nAT\n}\n" + instance + "track_script {\ns\n}\n}\n",
		"vrrp_track_process": "vrrp_track_process p {\nprocess haproxy\nAT\n}\n" + instance + "track_process {\np\n}\n}\n",
		"track_file":         "track_file f {\nfile /run/f\nAT\n}\n" + instance + "track_file {\nf\n}\n}\n",
		"bfd_instance":       "bfd_instance b {\nneighbor_ip 192.0.2.9\nAT\n}\n" + instance + "track_bfd {\nb\n}\n}\n",
		"virtual_server":     defined + mail + server + "AT\n" + real + "weight 5\nHTTP_GET {\nurl {\npath /\n}\n}\n}\n}\n",
		"real_server":        defined + mail + server + real + "AT\nHTTP_GET {\nurl {\npath /\n}\n}\n}\n}\n",
		"checker":            in("TCP_CHECK", ""),
		"http":               in("SSL_GET", "virtualhost a.example.org\nurl {\npath /a\n}\n"),
		"misc":               in("MISC_CHECK", "misc_path /bin/true\n"),
		"dns":                in("DNS_CHECK", ""),
		"smtp":               in("SMTP_CHECK", ""),
		"udp":                in("UDP_CHECK", ""),
		"file":               in("FILE_CHECK", "track_file f\n"),
		"bfd":                in("BFD_CHECK", "name b\n"),
	}
}

// TestEveryKeyword: each directive that keepalived knows, wherever it may stand,
// changes what is written or gives a warning at its own line; none is passed over
// in silence, and none is unknown. Those that say what holds anyway are marked.
func TestEveryKeyword(t *testing.T) {
	files, err := filepath.Glob("testdata/keywords/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	frames := keywordFrames()
	if len(files) != len(frames) {
		t.Fatalf("%d lists for %d places", len(files), len(frames))
	}
	carried, warned, same := 0, 0, 0
	for _, f := range files {
		place := strings.TrimSuffix(filepath.Base(f), ".txt")
		frame, ok := frames[place]
		if !ok {
			t.Fatalf("no place for %s", f)
		}
		list, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		without, _ := importText(t, strings.Replace(frame, "AT\n", "", 1))
		at := strings.Count(frame[:strings.Index(frame, "AT\n")], "\n") + 1
		for directive := range strings.Lines(string(list)) {
			directive = strings.TrimSpace(directive)
			if directive == "" || strings.HasPrefix(directive, "#") {
				continue
			}
			directive, holds := strings.CutPrefix(directive, "= ")
			hcl, warnings := importText(t, strings.Replace(frame, "AT\n", spread(directive)+"\n", 1))
			last := at + strings.Count(spread(directive), "\n")
			told := ""
			for _, w := range warnings {
				if w.Line >= at && w.Line <= last {
					told += w.Reason + "; "
				}
			}
			changed := hcl != without
			switch {
			case holds && (changed || told != ""):
				t.Errorf("%s: %s is not what holds anyway: %s", place, directive, told)
			case holds:
				same++
			case strings.Contains(told, "does not know this directive") || strings.Contains(told, "no option that usher knows"):
				t.Errorf("%s: %s is unknown: %s", place, directive, told)
			case strings.Contains(told, "left out, usher does not accept it"):
				t.Errorf("%s: %s is written, and then refused: %s", place, directive, told)
			case changed:
				carried++
			case told != "":
				warned++
			default:
				t.Errorf("%s: %s is passed over in silence", place, directive)
			}
			if testing.Verbose() {
				t.Logf("%-18s %-60s changed=%-5t %s", place, directive, changed, told)
			}
		}
	}
	t.Logf("%d carried over, %d warned of, %d hold anyway", carried, warned, same)
}

// spread gives blocks within a directive, and directives behind a semicolon, lines of
// their own, as keepalived wants it.
func spread(directive string) string {
	for _, word := range []string{" digest ", " status_code ", " virtualhost ", " regex ", " regex_no_match", " regex_options ", " regex_stack ", " regex_min_offset ",
		" regex_max_offset ", " tls_compliant", " auth_pass ", " active_key ", " garp_interval "} {
		if strings.Contains(directive, "{") {
			directive = strings.Replace(directive, word, "\n"+word, 1)
		}
	}
	return strings.NewReplacer("; ", "\n", "{ ", "{\n", " }", "\n}").Replace(directive)
}

func importText(t *testing.T, text string) (string, []Warning) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	hcl, warnings, err := Import(file, Options{ID: "x", Exists: func(path string) bool { return !strings.HasPrefix(path, "/nonexistent") }})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return string(hcl), warnings
}
