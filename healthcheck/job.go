package healthcheck

import "context"

// Job is one probe to be carried out.
type Job struct {
	ID    uint64 // the probe's own, the same at each of its runs
	Check *Check // not to be changed
	// Report hands a result in. It does not block, and any goroutine may call it.
	Report func(Result)
}

// Func is one probe: it does what the check says, and ends, with everything that
// it opened, at ctx's deadline. Every kind of check is one.
type Func func(ctx context.Context, c *Check) Result
