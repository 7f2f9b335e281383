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
	mode, err := regular(file)
	switch {
	case err != nil:
		return err
	case mode&0o111 == 0:
		return fmt.Errorf("it is not executable: chmod a+x %s", file)
	}
	return nil
}

// LookFile says why this machine has no file at a path; nil where nothing is in the way.
// Whether usher may read it shows when it does: who looks may be somebody else.
func LookFile(path string) error {
	_, err := regular(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// regular is the mode of the regular file at a path.
func regular(path string) (fs.FileMode, error) {
	ctx, cancel := context.WithTimeout(context.Background(), files.Patience)
	defer cancel()
	info, err := files.Stat(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, errors.New("there is no such file")
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, errors.New("it is no regular file")
	}
	return info.Mode(), nil
}
