package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"usher/healthcheck"
	"usher/healthcheck/probe/loop"
	"usher/vrrp/timespan"
)

// pass is a result without complaint.
func pass() healthcheck.Result { return healthcheck.Result{Outcome: healthcheck.Pass} }

// failf is a failure in words.
func failf(format string, args ...any) healthcheck.Result {
	return healthcheck.Result{Outcome: healthcheck.Fail, Reason: fmt.Sprintf(format, args...)}
}

// cannot is the result of a probe that could not be made, for want of something on this
// machine, in words.
func cannot(format string, args ...any) healthcheck.Result {
	return healthcheck.Result{CannotRun: true, Reason: fmt.Sprintf(format, args...)}
}

// failedBy is the result of a probe that ended with an error while it was doing
// something ("connecting", "waiting for the greeting"...).
func failedBy(c *healthcheck.Check, doing string, err error) healthcheck.Result {
	var judged *judgement
	switch {
	case errors.As(err, &judged):
		if judged.mine {
			return cannot("%s", judged.text)
		}
		return healthcheck.Result{Outcome: healthcheck.Fail, Reason: judged.text}
	case errors.Is(err, loop.ErrStopped), errors.Is(err, context.Canceled):
		return healthcheck.Result{Reason: "stopped while " + doing}
	case local(err):
		return cannot("this machine cannot probe: %v", inner(err))
	case errors.Is(err, loop.ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return failf("no answer within %s, while %s (%s)", timespan.Text(c.Timeout), doing, target(c))
	}
	r := failf("%s: %s", doing, message(c, err))
	// What a server ends later, it may have ended because nothing came.
	r.Certain = errors.Is(err, syscall.ECONNREFUSED)
	return r
}

// tooLate is what a failure says of the server if this process stood still meanwhile.
const tooLate = "looked too late to tell"

// judgedLate makes a failure inconclusive if it was found after this process had stood
// still for too long.
func judgedLate(r healthcheck.Result, lost bool) healthcheck.Result {
	if lost && r.Outcome == healthcheck.Fail && !r.Certain {
		r.Outcome, r.Reason = healthcheck.Inconclusive, tooLate+": "+r.Reason
	}
	return r
}

// judgement is an error that is already in a person's words.
type judgement struct {
	text  string
	mine  bool  // the mistake is on this machine
	cause error // that it tells of; nil for none
}

func (j *judgement) Error() string { return j.text }

func (j *judgement) Unwrap() error { return j.cause }

// judge makes one; %w tells of its cause.
func judge(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &judgement{text: err.Error(), cause: errors.Unwrap(err)}
}

// ownFault is an error of this machine, as a file that cannot be read.
func ownFault(format string, args ...any) error {
	return &judgement{text: fmt.Sprintf(format, args...), mine: true}
}

func isTimeout(err error) bool {
	// ETIMEDOUT is the kernel's word for a server that never answered its SYNs.
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// message says what an error means for the person who reads it.
func message(c *healthcheck.Check, err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		remote   *net.OpError
		record   tls.RecordHeaderError
		nxdomain *net.DNSError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("connection refused: nothing listens on %s", target(c))
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server reset the connection"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("host unreachable: %s answers no ARP, or a router says so", target(c).Addr())
	case errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("network unreachable: no route to %s", target(c).Addr())
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("administratively prohibited: a router, or a route of this machine, lets nothing through to %s", target(c).Addr())
	case errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("operation not permitted: this machine's firewall lets nothing out to %s", target(c))
	case errors.Is(err, syscall.EINVAL):
		return fmt.Sprintf("invalid argument: the route to %s is a blackhole, or its interface is gone", target(c).Addr())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection before its answer was complete"
	case errors.As(err, &host):
		return "the certificate is for another name: " + host.Error()
	case errors.As(err, &unknown):
		return "the certificate is signed by an unknown authority; give ca_file, or insecure = true"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate is not valid now: " + invalid.Error()
	case errors.As(err, &verify):
		return "the certificate is refused: " + verify.Err.Error()
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert
		return "the server refused: " + remote.Err.Error()
	case errors.As(err, &record):
		return "the server does not speak TLS on this port"
	case errors.As(err, &nxdomain):
		return nxdomain.Error()
	}
	return inner(err).Error()
}

// inner is what an error of package net is about, without its addresses.
func inner(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	return err
}

// quote shows a piece of an answer, cut where it is long.
func quote[T string | []byte](s T) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q...", string(s[:most]))
	}
	return fmt.Sprintf("%q", string(s))
}
