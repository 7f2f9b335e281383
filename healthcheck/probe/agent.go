package probe

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"usher/healthcheck"
)

// agent asks an agent beside the server how it is: HAProxy's agent-check protocol
// (its configuration manual, "agent-check").
func agent(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	conn, err := dial(ctx, c)
	if err != nil {
		return absent(failedBy(c, "connecting", err))
	}
	defer conn.Close()
	if c.Agent != nil && c.Agent.Send != "" {
		if _, err := io.WriteString(conn, c.Agent.Send); err != nil {
			return absent(failedBy(c, "sending", err))
		}
	}
	var answer []byte
	buf := make([]byte, 512)
	for {
		n, err := conn.Read(buf)
		answer = append(answer, buf[:n]...)
		// One line, but an agent that just closes has said all it wants to say.
		if line, _, ok := strings.Cut(strings.ReplaceAll(string(answer), "\r", "\n"), "\n"); ok || errors.Is(err, io.EOF) {
			return judgeAgent(line)
		}
		if err != nil {
			return absent(failedBy(c, "waiting for the agent", err))
		}
		if len(answer) > textMost {
			return failf("the agent's line is longer than %d bytes", textMost)
		}
	}
}

// absent is the result where an agent cannot be asked. That is no failure of the server,
// whose own checks say whether it serves (HAProxy's configuration manual, "agent-check").
func absent(r healthcheck.Result) healthcheck.Result {
	if r.Outcome == healthcheck.Fail {
		r.Reason = "the agent cannot be asked: " + r.Reason
	}
	r.Outcome, r.Absent = healthcheck.Inconclusive, true
	return r
}

// judgeAgent reads an agent's line: words for the state, one number with a percent
// sign for the weight, and text after "#". Words that mean nothing here, as
// "maxconn:30", are passed over.
func judgeAgent(line string) healthcheck.Result {
	line, said, _ := strings.Cut(line, "#")
	r := healthcheck.Result{Outcome: healthcheck.Pass}
	known := false
	for _, word := range strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' || c == ';' }) {
		lower := strings.ToLower(word)
		switch lower {
		case "up", "ready":
			known = true
		case "down", "fail", "stopped":
			known = true
			r.Outcome = healthcheck.Fail
		case "drain", "maint":
			known = true
			r.Advice.Drain = true
		}
		if number, ok := strings.CutSuffix(lower, "%"); ok {
			percent, err := strconv.ParseUint(number, 10, 16)
			if err != nil || percent > agentMost {
				return failf("the agent's weight %s is not a percentage up to %d%%", quote(word), agentMost)
			}
			known = true
			r.Advice.Scaled, r.Advice.Percent = true, int(percent)
		}
		known = known || strings.HasPrefix(lower, "maxconn:")
	}
	if !known {
		return failf("the agent's line %s says nothing that is known", quote(line))
	}
	r.Reason = "the agent says " + quote(strings.TrimSpace(line))
	if said = strings.TrimSpace(said); said != "" {
		r.Reason += ": " + quote(said)
	}
	return r
}

// agentMost is the greatest percentage that an agent may ask for: HAProxy's weights
// end there too.
const agentMost = 25600
