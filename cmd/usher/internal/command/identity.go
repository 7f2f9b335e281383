package command

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// defaultPath is where programs are looked for whose environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// identity is whom a program runs as.
type identity struct {
	name, home string
	credential *syscall.Credential // nil where there is nothing to change
}

// lookup finds a user: USER or USER:GROUP, each a name or a number. A program belongs to
// that group alone: supplementary groups would give it what nobody wrote down.
func lookup(spec string) (identity, error) {
	if spec == "" {
		id := identity{name: strconv.Itoa(os.Geteuid()), home: "/"}
		if u, err := user.LookupId(id.name); err == nil {
			id.name, id.home = u.Username, u.HomeDir
		}
		// Others than root cannot change their groups; nor can root in a container without
		// CAP_SETGID, which has none to lose there.
		if os.Geteuid() == 0 && grouped() {
			id.credential = &syscall.Credential{Uid: 0, Gid: uint32(os.Getegid())}
		}
		return id, nil
	}
	name, group, hasGroup := strings.Cut(spec, ":")
	id := identity{name: name, home: "/"}
	uid, gid, err := id.account(name, hasGroup)
	if err != nil {
		return identity{}, err
	}
	if hasGroup {
		if gid, err = groupNumber(group); err != nil {
			return identity{}, err
		}
	}
	if os.Geteuid() == 0 || os.Geteuid() != int(uid) || os.Getegid() != int(gid) {
		id.credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return id, nil
}

// grouped says whether this process has supplementary groups that a program would inherit.
func grouped() bool {
	all, err := os.Getgroups()
	return err != nil || slices.ContainsFunc(all, func(g int) bool { return g != os.Getegid() })
}

// account finds a user by name or number. A number needs no entry in the user database,
// as in a container's image, where a group is given.
func (id *identity) account(name string, hasGroup bool) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	number, notNumber := strconv.ParseUint(name, 10, 32)
	if err != nil && notNumber == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		if notNumber == nil && hasGroup {
			return uint32(number), 0, nil
		}
		if errors.As(err, new(user.UnknownUserError)) || errors.As(err, new(user.UnknownUserIdError)) {
			err = errors.New("there is none on this machine")
		}
		return 0, 0, fmt.Errorf("user %q: %w", name, err)
	}
	id.name, id.home = u.Username, u.HomeDir
	if number, err = strconv.ParseUint(u.Uid, 10, 32); err != nil {
		return 0, 0, fmt.Errorf("user %q: uid: %w", name, err)
	}
	group, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("user %q: gid: %w", name, err)
	}
	return uint32(number), uint32(group), nil
}

func groupNumber(name string) (uint32, error) {
	text := name
	g, err := user.LookupGroup(name)
	if err == nil {
		text = g.Gid
	}
	n, notNumber := strconv.ParseUint(text, 10, 32)
	switch {
	case notNumber == nil:
		return uint32(n), nil
	case err == nil:
		return 0, fmt.Errorf("group %q: gid: %w", name, notNumber)
	case errors.As(err, new(user.UnknownGroupError)):
		err = errors.New("there is none on this machine")
	}
	return 0, fmt.Errorf("group %q: %w", name, err)
}

// environment is all that a program finds: what is configured, and where that does not say
// it the few things that nearly every program depends on. Nothing of usher's own is there,
// which may hold secrets or the service manager's sockets.
func (id identity) environment(run string, configured []string) []string {
	all := []string{runVariable + "=" + run}
	for _, v := range []string{"PATH=" + defaultPath, "HOME=" + id.home, "USER=" + id.name, "LOGNAME=" + id.name} {
		name, _, _ := strings.Cut(v, "=")
		if !slices.ContainsFunc(configured, func(c string) bool { return strings.HasPrefix(c, name+"=") }) {
			all = append(all, v)
		}
	}
	return append(all, configured...)
}

// find gives the file of a program, looked for in the PATH that it will have.
func find(program string, environment []string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	path := defaultPath
	for _, v := range environment {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
		}
	}
	for dir := range strings.SplitSeq(path, ":") {
		if !strings.HasPrefix(dir, "/") {
			continue // a program runs in "/", never in a folder that somebody else chose
		}
		file := dir + "/" + program
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s", program, path)
}
