package genl

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// batch is how many operations go into one send. The kernel does them all within
// it; only the last is acknowledged, errors come for each that fails.
const batch = 200

// Apply does ops in order and goes on after one that failed. It returns nil if
// all succeeded, else as many errors as ops, nil where one succeeded. After a
// broken conversation what became of an operation may be unknown; its error then
// is not one of the kernel's answers, and reading the table tells.
func (k *Kernel) Apply(ops []ipvs.Op) []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := make([]error, len(ops))
	failed := false
	for from := 0; from < len(ops); from += batch {
		to := min(from+batch, len(ops))
		failed = k.apply(ops[from:to], errs[from:to]) || failed
	}
	if !failed {
		return nil
	}
	return k.retryModules(ops, errs)
}

// apply does one batch and tells whether anything in it failed. The library has no
// batches; a single operation is its own, where it can express it.
func (k *Kernel) apply(ops []ipvs.Op, errs []error) bool {
	if len(ops) == 1 && expressible(ops[0]) {
		errs[0] = k.moby.write(ops[0])
		return errs[0] != nil
	}
	first := k.socket.seq + 1
	out := k.socket.out[:0]
	for i, op := range ops {
		flags := uint16(unix.NLM_F_REQUEST)
		if i == len(ops)-1 {
			flags |= unix.NLM_F_ACK
		}
		out = appendOp(out, k.family, flags, k.socket.next(), op)
	}
	k.socket.out = out
	if err := k.socket.send(out); err != nil {
		return fail(errs, fmt.Errorf("ipvs: send %d operations: %w", len(ops), err))
	}
	failed := false
	for done := false; !done; {
		err := k.socket.receive(func(r reply) {
			i := int(int32(r.seq - first))
			if i < 0 || i >= len(ops) || !r.done {
				return
			}
			errs[i] = r.err
			failed = failed || r.err != nil
			done = done || i == len(ops)-1
		})
		if err != nil {
			// Answers were lost: what has none so far may or may not have happened.
			return fail(errs, fmt.Errorf("ipvs: receive the answers to %d operations: %w", len(ops), err))
		}
	}
	return failed
}

// fail gives err to every operation that has no answer.
func fail(errs []error, err error) bool {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return true
}

// retryModules loads the modules that services asked for and that were missing,
// and where that worked tries the failed operations of those services again. It
// returns nil if no error is left.
func (k *Kernel) retryModules(ops []ipvs.Op, errs []error) []error {
	modules := map[string]error{} // what became of loading them
	again := map[ipvs.ServiceKey]bool{}
	for i, op := range ops {
		if !errors.Is(errs[i], unix.ENOENT) || op.Kind != ipvs.AddService && op.Kind != ipvs.EditService {
			continue
		}
		missing := missingModule(op.Service)
		why, tried := modules[missing.Module]
		if !tried {
			why = Modprobe(missing.Module)
			modules[missing.Module] = why
		}
		missing.Why = why
		errs[i] = missing
		again[op.Key] = why == nil
	}
	failed := false
	for i, op := range ops {
		if errs[i] != nil && again[op.Key] {
			before := errs[i]
			errs[i] = nil
			if k.apply(ops[i:i+1], errs[i:i+1]); errors.Is(errs[i], unix.ENOENT) {
				errs[i] = before
			}
		}
		failed = failed || errs[i] != nil
	}
	if !failed {
		return nil
	}
	return errs
}
