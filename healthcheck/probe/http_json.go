package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"usher/healthcheck"
)

// judgeJSON wants values at paths of a JSON body.
func judgeJSON(list []healthcheck.JSONExpect, where string, body []byte) error {
	if len(list) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var root any
	if err := decoder.Decode(&root); err != nil {
		return judge("the body of %s is not JSON: %v", where, err)
	}
	for _, x := range list {
		got, err := lookUp(root, x.Path)
		if err != nil {
			return judge("%s in the JSON of %s: %v", x.Path, where, err)
		}
		if got != x.Value {
			return judge("%s in the JSON of %s is %s, want %s", x.Path, where, quote(got), quote(x.Value))
		}
	}
	return nil
}

// lookUp finds the value at a path as "status.db[0].name". Text stands for itself,
// everything else as JSON writes it.
func lookUp(value any, path string) (string, error) {
	for rest := path; rest != ""; {
		if rest[0] == '[' {
			number, after, ok := strings.Cut(rest[1:], "]")
			index, err := strconv.Atoi(number)
			if !ok || err != nil {
				return "", fmt.Errorf("%q is not an index", rest)
			}
			list, isList := value.([]any)
			if !isList || index < 0 || index >= len(list) {
				return "", fmt.Errorf("there is no [%d]", index)
			}
			value, rest = list[index], strings.TrimPrefix(after, ".")
			continue
		}
		name := rest
		if i := strings.IndexAny(rest, ".["); i >= 0 {
			name = rest[:i]
		}
		object, _ := value.(map[string]any)
		next, ok := object[name]
		if !ok {
			return "", fmt.Errorf("there is no %q", name)
		}
		value, rest = next, strings.TrimPrefix(rest[len(name):], ".")
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}
