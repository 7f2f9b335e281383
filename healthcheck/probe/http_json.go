package probe

import (
	"bytes"
	"encoding/json"
	"fmt"

	"usher/healthcheck"
)

// judgeJSON wants values at paths of a JSON body.
func judgeJSON(list []healthcheck.JSONExpect, where string, body []byte) error {
	if len(list) == 0 {
		return nil
	}
	// A byte order mark may be passed over (RFC 8259 section 8.1).
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	decoder.UseNumber()
	var root any
	if err := decoder.Decode(&root); err != nil {
		return judge("the body of %s is not JSON: %v", where, err)
	}
	for _, x := range list {
		steps, err := healthcheck.ParseJSONPath(x.Path)
		if err != nil {
			return ownFault("expect_json: %v", err)
		}
		got, err := lookUp(root, steps)
		if err != nil {
			return judge("%s in the JSON of %s: %v", x.Path, where, err)
		}
		if got != x.Value {
			return judge("%s in the JSON of %s is %s, want %s", x.Path, where, quote(got), quote(x.Value))
		}
	}
	return nil
}

// lookUp finds the value at a path. Text stands for itself, everything else as JSON
// writes it.
func lookUp(value any, path []healthcheck.JSONStep) (string, error) {
	for _, step := range path {
		if step.Index >= 0 {
			list, _ := value.([]any)
			if step.Index >= len(list) {
				return "", fmt.Errorf("there is no [%d]", step.Index)
			}
			value = list[step.Index]
			continue
		}
		object, _ := value.(map[string]any)
		next, ok := object[step.Name]
		if !ok {
			return "", fmt.Errorf("there is no %q", step.Name)
		}
		value = next
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}
