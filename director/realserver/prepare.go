package realserver

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"usher/vrrp/statefile"
)

// Item is how one step stands.
type Item struct {
	Step    Step   `json:"step"`
	Done    bool   `json:"done"`
	Found   string `json:"found"`   // before anything was done; of what is undone, before Prepare
	Changed bool   `json:"changed"` // by this run
	// Left is true of what an earlier run did and the configuration no longer asks for.
	Left bool `json:"left,omitempty"`
}

// String gives one line for people.
func (i Item) String() string {
	switch {
	case i.Left && !i.Changed:
		return fmt.Sprintf("left     %s (of an earlier configuration)", i.Step)
	case i.Changed && !i.Done:
		return fmt.Sprintf("undone   %s (before: %s)", i.Step, i.Found)
	case i.Changed:
		return fmt.Sprintf("set      %s (was %s)", i.Step, i.Found)
	case i.Done:
		return fmt.Sprintf("ok       %s", i.Step)
	}
	return fmt.Sprintf("missing  %s (is %s)", i.Step, i.Found)
}

// memo is a step that was carried out and what was there before.
type memo struct {
	Step  Step   `json:"step"`
	Found string `json:"found"`
}

// stateMost is how many bytes the file may have: some hundred for each step.
const stateMost = 16 << 20

// file is where Prepare remembers in the state folder what Undo takes back.
func file(state string) string { return filepath.Join(state, "real-server.json") }

// Check tells how each step stands, and what is left of those that Prepare did for an
// earlier configuration. It changes nothing.
func Check(state string, needs []Need) ([]Item, error) {
	if err := conflict(needs); err != nil {
		return nil, err
	}
	memos, err := read(state)
	if err != nil && !errors.Is(err, fs.ErrPermission) { // who may not know what was done learns what is missing
		return nil, err
	}
	items, err := left(memos, needs)
	if err != nil {
		return items, err
	}
	for _, s := range Steps(needs) {
		done, found, err := look(s)
		if errors.Is(err, fs.ErrNotExist) {
			found, err = absent, nil
		}
		if err != nil {
			return items, fmt.Errorf("realserver: look whether %s: %w", s, err)
		}
		items = append(items, Item{Step: s, Done: done, Found: found})
	}
	return items, nil
}

// left tells what memos did that is there and that needs do not ask for.
func left(memos []memo, needs []Need) ([]Item, error) {
	var items []Item
	steps := Steps(needs)
	for _, m := range memos {
		if slices.Contains(steps, m.Step) {
			continue
		}
		done, found, err := look(m.Step)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return items, fmt.Errorf("realserver: look whether %s: %w", m.Step, err)
		}
		if done {
			items = append(items, Item{Step: m.Step, Found: found, Left: true})
		}
	}
	return items, nil
}

// Prepare does what is missing, after it took back what it did for an earlier
// configuration and this one does not ask for. What was there before is remembered in
// the folder state first; doing it twice changes nothing more.
func Prepare(state string, needs []Need) ([]Item, error) {
	if err := conflict(needs); err != nil {
		return nil, err
	}
	steps := Steps(needs)
	items, stuck := revert(state, func(s Step) bool { return !slices.Contains(steps, s) })
	items = slices.DeleteFunc(items, func(i Item) bool { return !i.Changed })
	memos, err := read(state)
	if err != nil {
		return items, err
	}
	for _, s := range steps {
		done, found, err := look(s)
		if err != nil {
			return items, fmt.Errorf("realserver: look whether %s: %w", s, err)
		}
		if !done {
			if !slices.ContainsFunc(memos, func(m memo) bool { return m.Step == s }) {
				memos = append(memos, memo{Step: s, Found: found})
				if err := save(state, memos); err != nil {
					return items, err
				}
			}
			if err := do(s); err != nil {
				return items, fmt.Errorf("realserver: make it so that %s: %w", s, err)
			}
		}
		items = append(items, Item{Step: s, Done: true, Found: found, Changed: !done})
	}
	return items, stuck
}

// Undo takes back what Prepare did, last first. What was there before Prepare
// stays. It goes on after an error, and what failed can be undone again.
func Undo(state string) ([]Item, error) {
	return revert(state, func(Step) bool { return true })
}

// revert takes those steps back that are unwanted, last first.
func revert(state string, unwanted func(Step) bool) ([]Item, error) {
	statefile.Clear(file(state))
	memos, err := read(state)
	if err != nil {
		return nil, err
	}
	var items []Item
	var left []memo
	var errs []error
	for _, m := range slices.Backward(memos) {
		if !unwanted(m.Step) {
			left = append([]memo{m}, left...)
			continue
		}
		done, found, err := look(m.Step)
		if err == nil && done {
			found, err = m.Found, undo(m.Step, m.Found)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("realserver: undo that %s: %w", m.Step, err))
			left = append([]memo{m}, left...)
			continue
		}
		items = append(items, Item{Step: m.Step, Found: cmp.Or(found, absent), Changed: done})
	}
	if len(left) < len(memos) {
		errs = append(errs, save(state, left))
	}
	return items, errors.Join(errs...)
}

// read gives what is remembered.
func read(state string) ([]memo, error) {
	data, err := statefile.Read(file(state), stateMost)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("realserver: read the state: %w", err)
	}
	var memos []memo
	if err := json.Unmarshal(data, &memos); err != nil {
		return nil, fmt.Errorf("realserver: read the state in %s: %w", file(state), err)
	}
	return memos, nil
}

// save writes memos; none remove the file.
func save(state string, memos []memo) error {
	if len(memos) == 0 {
		if err := os.Remove(file(state)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("realserver: remove the state: %w", err)
		}
		return nil
	}
	data, err := json.MarshalIndent(memos, "", "  ")
	if err == nil {
		err = os.MkdirAll(state, 0o750)
	}
	if err == nil {
		err = statefile.Write(file(state), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("realserver: write the state: %w", err)
	}
	return nil
}
