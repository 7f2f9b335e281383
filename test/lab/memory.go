package lab

import (
	"fmt"
	"os"
	"strings"
)

// OwnMemory is how many bytes of memory a process has for itself (Private_Clean and
// Private_Dirty of proc_pid_smaps(5)), and how many with its share of what others have as
// well (Pss): of the program's file there is but one copy, however many run.
func OwnMemory(pid int) (own, proportional int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		var kilobytes int
		if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
			continue // the line of the addresses
		}
		switch name {
		case "Private_Clean", "Private_Dirty":
			own += kilobytes << 10
		case "Pss":
			proportional = kilobytes << 10
		}
	}
	if proportional == 0 {
		return 0, 0, fmt.Errorf("process %d: no figures in\n%s", pid, text)
	}
	return own, proportional, nil
}
