package command

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestInit: as the first process of a PID namespace it waits for the orphans of others,
// hands signals on, and ends as the program does.
func TestInit(t *testing.T) {
	root(t)
	// The double fork leaves orphans to process 1; those that have ended and were not
	// waited for are zombies, which would be listed.
	script := `test $$ != 1 || exit 8
		for i in 1 2 3 4 5; do (setsid true &); done
		n=0; while ps -o stat= --ppid 1 | grep -q Z; do n=$((n+1)); test $n -lt 200 || { ps -ef; exit 9; }; sleep 0.05; done
		trap "exit 7" TERM; kill -TERM 1; while :; do sleep 0.05; done`
	out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", os.Args[0], "first", script).CombinedOutput()
	if e := (*exec.ExitError)(nil); !errors.As(err, &e) || e.ExitCode() != 7 {
		t.Errorf("%v; want exit status 7\n%s", err, strings.TrimSpace(string(out)))
	}
}
