package probe

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"

	"usher/healthcheck"
)

// mysqlLogin logs in as far as it shows that the server serves. Without a user it
// gives none: a refusal is an answer too, while a client that vanishes after the
// greeting would be counted, and its host blocked (max_connect_errors).
func mysqlLogin(ctx context.Context, c *healthcheck.Check, d healthcheck.Database, password string) healthcheck.Result {
	conn, err := dial(ctx, c)
	if err != nil {
		return failedBy(c, "connecting", err)
	}
	defer conn.Close()
	if err := mysqlConnect(ctx, conn, d, password); err != nil && !(d.User == "" && mysqlRefusal(err)) {
		return failedBy(c, "logging in", err)
	}
	farewell(conn, c, []byte{1, 0, 0, 0, 1}) // COM_QUIT
	return pass()
}

// mysqlConnect logs in on a connection, and leaves it open.
func mysqlConnect(ctx context.Context, conn net.Conn, d healthcheck.Database, password string) (err error) {
	wire := &mysqlWire{Conn: conn, lent: true}
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = d.User, password, d.Database
	config.Logger = &mysql.NopLogger{}
	config.CheckConnLiveness = false
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) { return wire, nil }
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return ownFault("%v", err)
	}
	defer func() {
		if bad := recover(); bad != nil { // that no server ends this process, whatever it says
			err = judge("%s: %v", mysqlPanic, bad)
		}
	}()
	session, err := connector.Connect(ctx)
	if err == nil {
		wire.lent = false
		session.Close() // ends what waits for ctx; the goodbye is ours
		if !wire.good {
			return judge("the server did not come to an end with the login")
		}
		return nil
	}
	var refused *mysql.MySQLError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case wire.err != nil: // the library has one word for all of them
		return wire.err
	case errors.As(err, &refused):
		return &judgement{text: fmt.Sprintf("the server says: error %d, %s", refused.Number, quote(refused.Message)), cause: err}
	}
	return judge("the server does not log us in: %w", err)
}

// mysqlPanic begins what is said where the library fails.
const mysqlPanic = "the server's words are not MySQL's"

// mysqlRefusal says that an error is about who logs in, and how, so that the server serves.
func mysqlRefusal(err error) bool {
	var refused *mysql.MySQLError
	if !errors.As(err, &refused) {
		return errors.Is(err, mysql.ErrUnknownPlugin) || errors.Is(err, mysql.ErrCleartextPassword) || errors.Is(err, mysql.ErrOldPassword)
	}
	switch refused.Number {
	case 1044, 1045, 1049, 1130, 1251, 1698, 1524, 1396:
		return true
	}
	return false
}
