package ipvs

import "fmt"

// ModuleError is a scheduler or persistence engine that the kernel lacks. It
// unwraps to unix.ENOENT.
type ModuleError struct {
	Kind   string // "scheduler" or "persistence engine"
	Name   string
	Module string // the kernel module that has it
	Why    error  // what modprobe said; nil if it was content
	Errno  error  // what the kernel said, unix.ENOENT
}

// Error names the module.
func (e *ModuleError) Error() string {
	s := fmt.Sprintf("this kernel has no %s %q: its module %s is not loaded", e.Kind, e.Name, e.Module)
	if e.Why != nil {
		s += ": " + e.Why.Error()
	}
	return s
}

// Unwrap gives what the kernel said.
func (e *ModuleError) Unwrap() error { return e.Errno }
