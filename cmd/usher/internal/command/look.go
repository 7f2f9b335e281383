package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"usher/healthcheck/files"
)

// Look says why this machine cannot run a program as a user, with that in its environment;
// nil where nothing is in the way. What is in folders that the user may not enter, and how a
// program's interpreter is, shows when it runs.
func Look(args []string, user string, environment []string) error {
	id, err := lookup(user)
	if err != nil {
		return err
	}
	file, err := find(args[0], id.environment("", environment))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), files.Patience)
	defer cancel()
	info, err := files.Stat(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("it is not executable: chmod a+x %s", file)
	}
	return nil
}
