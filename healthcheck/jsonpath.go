package healthcheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// JSONStep is one step of a path into a JSON text: to an object's member, or to an
// array's element.
type JSONStep struct {
	Name  string
	Index int // of the element, from 0; -1 for a member
}

// ParseJSONPath reads a path as `status.db[0].name`. A name with a dot or a bracket in
// it, or none at all, is a JSON string in brackets: `status["db.main"]`.
func ParseJSONPath(path string) ([]JSONStep, error) {
	var steps []JSONStep
	for rest := path; len(steps) == 0 || rest != ""; {
		var step JSONStep
		var err error
		switch {
		case strings.HasPrefix(rest, "["):
			step, rest, err = jsonBracket(rest)
		case strings.HasPrefix(rest, ".") && len(steps) > 0:
			step, rest, err = jsonName(rest[1:])
		case len(steps) == 0:
			step, rest, err = jsonName(rest)
		default:
			err = fmt.Errorf("%q does not go on with a dot or a bracket", rest)
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// jsonName reads a name, as far as to what ends it.
func jsonName(text string) (JSONStep, string, error) {
	end := strings.IndexAny(text, ".[]")
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return JSONStep{}, "", errors.New("a name is empty")
	}
	return JSONStep{Name: text[:end], Index: -1}, text[end:], nil
}

// jsonBracket reads an index or a quoted name in brackets.
func jsonBracket(text string) (JSONStep, string, error) {
	if strings.HasPrefix(text, `["`) {
		d := json.NewDecoder(strings.NewReader(text[1:]))
		step := JSONStep{Index: -1}
		if err := d.Decode(&step.Name); err != nil {
			return JSONStep{}, "", fmt.Errorf("%s is not a name in quotes", text)
		}
		rest, ok := strings.CutPrefix(text[1+d.InputOffset():], "]")
		if !ok {
			return JSONStep{}, "", fmt.Errorf("%s has no closing bracket", text)
		}
		return step, rest, nil
	}
	number, rest, ok := strings.Cut(text[1:], "]")
	index, err := strconv.ParseUint(number, 10, 31)
	if !ok || err != nil {
		return JSONStep{}, "", fmt.Errorf("%q is no index from 0 and no name in quotes", text)
	}
	return JSONStep{Index: int(index)}, rest, nil
}
