package probe

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"usher/healthcheck"
)

// healthPath is the method of the standard health protocol (grpc/health/v1).
const healthPath = "/grpc.health.v1.Health/Check"

// grpc asks the standard health service, over HTTP/2 with or without TLS. The two
// messages have one field each, so they are read and written here by hand.
func grpc(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	expiry, doing, err := askHealth(ctx, c)
	r := pass()
	if err != nil {
		r = failedBy(c, doing, err)
	}
	r.Expiry = expiry
	return r
}

func askHealth(ctx context.Context, c *healthcheck.Check) (expiry time.Time, doing string, _ error) {
	var g healthcheck.GRPC
	if c.GRPC != nil {
		g = *c.GRPC
	}
	req := &http.Request{
		Method: "POST",
		URL:    &url.URL{Scheme: scheme(g.UseTLS), Host: target(c).String(), Path: healthPath},
		Host:   g.Authority,
		Header: http.Header{
			"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"grpc-" + userAgent},
		},
		Body: io.NopCloser(strings.NewReader(healthRequest(g.Service))),
	}
	client, expiry, doing, err := openTwo(ctx, c, 0, g.UseTLS, hostName(g.Authority))
	if err != nil {
		return expiry, doing, err
	}
	defer client.Close()
	answer, err := client.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return expiry, "waiting for the answer", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return expiry, "", judge("the answer has HTTP status %d: is this gRPC?", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, textMost))
	if err != nil {
		return expiry, "reading the answer", err
	}
	code, message := answer.Trailer.Get("Grpc-Status"), answer.Trailer.Get("Grpc-Message")
	if code == "" { // an answer of headers alone
		code, message = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	return expiry, "", judgeHealth(g.Service, code, message, body)
}

// healthRequest is a HealthCheckRequest{service} in a gRPC frame: a flag, a length
// of four bytes, and the message (field 1, a string).
func healthRequest(service string) string {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return string(append(frame, message...))
}

// The codes of gRPC that a health server answers with.
const (
	grpcOK            = "0"
	grpcNotFound      = "5"
	grpcUnimplemented = "12"
)

func judgeHealth(service, code, message string, body []byte) error {
	switch code {
	case grpcOK:
	case grpcNotFound:
		return judge("the server does not know the service %q", service)
	case grpcUnimplemented:
		return judge("the server has no grpc.health.v1.Health service")
	case "":
		return judge("the answer has no grpc-status: is this gRPC?")
	default:
		return judge("the server answered gRPC status %s: %s", quote(code), quote(message))
	}
	status, ok := healthStatus(body)
	if !ok {
		return judge("the answer %s is not a health message", quote(body))
	}
	switch status {
	case 1:
		return nil
	case 0:
		return judge("the service %q is UNKNOWN", service)
	case 2:
		return judge("the service %q is NOT_SERVING", service)
	case 3:
		return judge("the service %q is SERVICE_UNKNOWN", service)
	}
	return judge("the service %q has status %d", service, status)
}

// healthStatus is field 1 of a HealthCheckResponse in its frame. A message without
// it has status 0. Other fields are passed over.
func healthStatus(frame []byte) (uint64, bool) {
	if len(frame) < 5 || frame[0] != 0 || uint64(binary.BigEndian.Uint32(frame[1:])) != uint64(len(frame)-5) {
		return 0, false
	}
	var status uint64
	for b := frame[5:]; len(b) > 0; {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, false
		}
		b = b[n:]
		value, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, false
		}
		switch tag & 7 {
		case 0:
			b = b[n:]
			if tag>>3 == 1 {
				status = value
			}
		case 2:
			if value > uint64(len(b)-n) {
				return 0, false
			}
			b = b[n+int(value):]
		default:
			return 0, false
		}
	}
	return status, true
}
