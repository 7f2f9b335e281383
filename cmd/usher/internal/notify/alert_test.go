package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/conf"
	"usher/director/announce"
	"usher/vrrp"
)

// TestExampleBodies: what conf/examples/alerts.hcl sends is what the three services want:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
// https://developer.pagerduty.com/docs/send-alert-event and Alertmanager's
// api/v2/openapi.yaml (postableAlerts).
func TestExampleBodies(t *testing.T) {
	c, diags := conf.Load([]string{"../../../../conf/examples/alerts.hcl"}, nil)
	if diags.HasErrors() || len(c.Global.Webhooks) != 3 {
		t.Fatalf("%d webhooks: %s", len(c.Global.Webhooks), diags.Text(false))
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	bad := Change{Kind: RealServer, Name: "10.0.0.1:80", VirtualServer: "web", State: "down", Previous: "up", Reason: "the body says \"no\"\n", Time: at, RouterID: "lb1"}
	good := bad
	good.State, good.Previous, good.Time = "up", "down", at.Add(time.Minute)
	sent := func(i int, change Change, into any) {
		t.Helper()
		w, err := newWebhook(c.Global.Webhooks[i])
		if err != nil {
			t.Fatal(err)
		}
		text, err := w.document(change)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into); err != nil {
			t.Errorf("%v: %s", err, text)
		}
	}
	var slack struct{ Text string }
	sent(0, bad, &slack)
	if want := "lb1: real server 10.0.0.1:80 of web is down: the body says \"no\"\n"; slack.Text != want {
		t.Errorf("Slack: %q; want %q", slack.Text, want)
	}
	type event struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     struct {
			Summary, Source, Severity, Component string
			Timestamp                            time.Time
		}
	}
	var trigger, resolve event
	sent(1, bad, &trigger)
	sent(1, good, &resolve)
	if trigger.EventAction != "trigger" || resolve.EventAction != "resolve" || trigger.DedupKey != resolve.DedupKey || trigger.DedupKey == "" || len(trigger.RoutingKey) != 32 {
		t.Errorf("PagerDuty: %+v, then %+v", trigger, resolve)
	}
	if p := trigger.Payload; p.Summary == "" || p.Source != "lb1" || p.Severity != "warning" || !p.Timestamp.Equal(at) {
		t.Errorf("PagerDuty: %+v", p)
	}
	type alert struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
	}
	var firing, resolved []alert
	sent(2, bad, &firing)
	sent(2, good, &resolved)
	if len(firing) != 1 || len(resolved) != 1 || firing[0].Labels["alertname"] == "" || !firing[0].EndsAt.Equal(at.Add(24*time.Hour)) ||
		resolved[0].EndsAt.After(good.Time) || resolved[0].EndsAt.IsZero() {
		t.Fatalf("Alertmanager: %+v, then %+v", firing, resolved)
	}
	for name, value := range firing[0].Labels {
		if resolved[0].Labels[name] != value {
			t.Errorf("Alertmanager: the label %s differs: another alert", name)
		}
	}
}

// TestTry: a test goes out by each way, whatever it tells of, and each says what came of it.
func TestTry(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer s.Close()
	hook := func(path string) conf.Webhook {
		return conf.Webhook{URL: s.URL + path, On: []string{"active"}, Timeout: 20 * time.Second, Retries: 5}
	}
	plain := hook("/plain")
	plain.Body, plain.ContentType = "{{.Name}} {{.State}} {{.Problem}}", "text/plain"
	c := configured(conf.Alerts{Webhooks: []conf.Webhook{hook("/bad")}}, conf.Alerts{}, conf.Alerts{Webhooks: []conf.Webhook{plain}})
	c.Groups = nil
	c.Instances[0].Alerts.Notify = []conf.Notify{{Command: []string{"/bin/tell"}, On: []string{"active"}}}
	run := func(_ context.Context, args []string, _ string, _ []string) error {
		got = append(got, strings.Join(args, " "))
		return nil
	}
	try := func(name string) (told []string, err error) {
		got = nil
		err = Try(t.Context(), c, run, name, func(r Trial) {
			word := "ok"
			if r.Err != nil {
				word = r.Err.Error()
			}
			told = append(told, r.Of+" "+strings.Fields(r.Way)[0]+" "+word)
		})
		return told, err
	}
	told, err := try("")
	if want := []string{"global webhook ok", "instance web command ok", "instance web webhook not tried again: answer 403 Forbidden"}; err != nil || !slices.Equal(told, want) {
		t.Errorf("%v, %q; want %q", err, told, want)
	}
	if len(got) != 3 || got[0] != "/plain text/plain global test false" || got[1] != "/bin/tell INSTANCE web TEST 0" || !strings.HasPrefix(got[2], "/bad application/json {") {
		t.Errorf("sent %q", got)
	}
	if told, err := try("global"); err != nil || len(told) != 1 {
		t.Errorf("of one: %v, %q", err, told)
	}
	if _, err := try("nobody"); err == nil || !strings.Contains(err.Error(), "[global web]") {
		t.Errorf("of nobody: %v", err)
	}
	if err := Try(t.Context(), &conf.Config{}, run, "", func(Trial) {}); err == nil {
		t.Error("nobody is notified, and nothing is said")
	}
}

// TestFailingIsAWarning: from the failure to the next delivery, or until nobody wants it.
func TestFailingIsAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{failures: []error{errors.Join(errPermanent, errors.New("answer 403")), errors.Join(errPermanent, errors.New("answer 404"))}}
		n := routed(t, f)
		synctest.Wait()
		first := n.Warnings()
		if len(first) != 1 || first[0].Kind != "notify" || !strings.Contains(first[0].Text, "fake: ") || !strings.Contains(first[0].Text, "answer 403") {
			t.Fatalf("warnings %+v", first)
		}
		time.Sleep(time.Minute)
		n.VRRP(state("web", vrrp.Active, vrrp.Backup))
		synctest.Wait()
		if again := n.Warnings(); len(again) != 1 || !strings.Contains(again[0].Text, "answer 404") || !again[0].Since.Equal(first[0].Since) {
			t.Fatalf("warnings %+v", again)
		}
		n.VRRP(state("web", vrrp.Backup, vrrp.Active))
		synctest.Wait()
		if left := n.Warnings(); len(left) != 0 {
			t.Errorf("delivered, and warnings %+v", left)
		}
		f.failures = []error{errors.Join(errPermanent, errors.New("answer 403"))}
		n.VRRP(state("web", vrrp.Active, vrrp.Backup))
		synctest.Wait()
		if err := n.Apply(configured(conf.Alerts{}, conf.Alerts{}, conf.Alerts{})); err != nil || len(n.Warnings()) != 0 {
			t.Errorf("%v; nobody wants it any more, and warnings %+v", err, n.Warnings())
		}
	})
}

// TestAnnouncements: what is withdrawn because of a failure is a problem, and what somebody
// has planned is none; each address is a thing of its own, and a reason that changes alone
// is no change.
func TestAnnouncements(t *testing.T) {
	n := New(Options{})
	c := configured(conf.Alerts{}, conf.Alerts{}, conf.Alerts{Webhooks: []conf.Webhook{{URL: "http://192.0.2.1/", On: []string{"announced", "draining", "withdrawn"}}}})
	c.Announce = []announce.Announcement{{Name: "shop"}}
	if err := n.Apply(c); err != nil {
		t.Fatal(err)
	}
	tell := func(from, to string, reason announce.Reason) {
		n.Announce(announce.Event{
			Time: time.Unix(1, 0), Kind: announce.EventAnnouncement, Announcement: "shop", Prefix: netip.MustParsePrefix("192.0.2.10/32"),
			From: from, To: to, Reason: reason, Text: reason.Text(),
		})
	}
	tell("withdrawn", "announced", announce.ReasonReady)
	tell("announced", "draining", announce.ReasonMaintenance)
	tell("draining", "withdrawn", announce.ReasonMaintenance)
	tell("withdrawn", "withdrawn", announce.ReasonQuorum)
	tell("announced", "withdrawn", announce.ReasonQuorum)
	n.Announce(announce.Event{Kind: announce.EventSession, Peer: netip.MustParseAddr("192.0.2.254"), From: "established", To: "idle"})
	var got []string
	for _, l := range n.lanes {
		for _, w := range l.pending {
			a := w.change.alert()
			got = append(got, fmt.Sprintf("%t %s %s %s", a.Problem, a.Severity, a.Key, a.Text))
		}
	}
	key := "usher/lb1/ANNOUNCE//shop/192.0.2.10/32 lb1: announce shop 192.0.2.10/32 is "
	want := []string{
		"false info " + key + "announced: all is well",
		"false info " + key + "draining: maintenance",
		"false info " + key + "withdrawn: maintenance",
		"true critical " + key + "withdrawn: virtual servers lack their quorum",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	change, _ := fromAnnounce(announce.Event{Kind: announce.EventAnnouncement, Announcement: "shop", Prefix: netip.MustParsePrefix("192.0.2.10/32"), From: "announced", To: "withdrawn"})
	if got := strings.Join(change.arguments(), " "); got != "ANNOUNCE shop WITHDRAWN 0 192.0.2.10/32" {
		t.Errorf("a command gets %q", got)
	}
}
