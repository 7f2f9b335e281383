package conf

import (
	"strings"
	"testing"
)

// TestWebhookBody: whatever is wrong with a template is said where it stands, before
// anything has to be told with it.
func TestWebhookBody(t *testing.T) {
	for name, tc := range map[string]struct{ keys, want string }{
		"none":               {``, ""},
		"JSON":               {`body = "{\"text\": {{json .Text}}, \"n\": {{.Priority}}}"`, ""},
		"plain text":         {"body = \"{{.Name}} is {{upper .State}}{{if .Problem}}!{{end}}\"\ncontent_type = \"text/plain; charset=utf-8\"", ""},
		"no template":        {`body = "{{.Name"`, "unclosed action"},
		"unknown field":      {"body = \"{{.Nme}}\"\ncontent_type = \"text/plain\"", "can't evaluate field Nme"},
		"in a branch":        {"body = \"{{if eq .State `split_brain`}}{{.Nme}}{{end}}\"\ncontent_type = \"text/plain\"", "a change of INSTANCE to split_brain"},
		"not escaped":        {`body = "{\"text\": \"{{.Text}}\"}"`, "is not JSON"},
		"a loop":             {`body = "{{range $i := 1000000000}}{{end}}"`, "is not there: if and with are"},
		"a recursion":        {`body = "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}"`, "define and block are not there"},
		"a text of any size": {`body = "{{printf \"%1000000d\" 1}}"`, "the function printf is not there"},
		"too long a time":    {`body = "{{json (.After \"a day\")}}"`, "invalid duration"},
		"too long":           {`body = "` + strings.Repeat("a", bodyMost+1) + `"`, "more than 65536"},
		"no media type":      {"body = \"1\"\ncontent_type = \"of its own\"", "Not a media type"},
		"nothing of a type":  {`content_type = "text/plain"`, "Content type without a body"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := Load([]string{write(t, map[string]string{"a.hcl": "global {\n  webhook \"https://hooks.example.org/\" {\n" + tc.keys + "\n}\n}\n"})}, nil)
			text := diags.Text(false)
			if diags.HasErrors() != (tc.want != "") || !strings.Contains(text, tc.want) {
				t.Errorf("%s; want %q", text, tc.want)
			}
		})
	}
}

// TestBodyIsBounded: a template makes no more than the bound, whatever is told with it.
func TestBodyIsBounded(t *testing.T) {
	chain := "{{.Reason" + strings.Repeat(" | json", 40) + "}}"
	for name, text := range map[string]BodyTemplate{
		"every step doubles": BodyTemplate(chain),
		"many pieces":        BodyTemplate(strings.Repeat("{{.Reason}}", 1000)),
	} {
		b, err := text.Parse()
		if err != nil {
			t.Fatal(err)
		}
		if made, err := b.Make(Alert{Reason: strings.Repeat(`"`, 1000)}); err == nil || len(made) > bodyMost {
			t.Errorf("%s: %d bytes, %v", name, len(made), err)
		}
	}
}
