package script

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// identity is whom a program runs as.
type identity struct {
	name, home string
	credential *syscall.Credential // nil for usher's own
}

// lookup finds a user: a name or a uid, either with ":" and a group.
func lookup(spec string) (identity, error) {
	if spec == "" {
		return identity{name: os.Getenv("USER"), home: "/"}, nil
	}
	name, group, hasGroup := strings.Cut(spec, ":")
	u, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) {
		if _, e := strconv.ParseUint(name, 10, 32); e == nil {
			u, err = user.LookupId(name)
		}
	}
	if err != nil {
		return identity{}, fmt.Errorf("user %q: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return identity{}, fmt.Errorf("user %q: uid: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return identity{}, fmt.Errorf("user %q: gid: %w", name, err)
	}
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if hasGroup {
		g, err := user.LookupGroup(group)
		if err != nil {
			return identity{}, fmt.Errorf("group %q: %w", group, err)
		}
		gid, err := strconv.ParseUint(g.Gid, 10, 32)
		if err != nil {
			return identity{}, fmt.Errorf("group %q: gid: %w", group, err)
		}
		c.Gid = uint32(gid)
	} else if ids, err := u.GroupIds(); err == nil {
		for _, s := range ids {
			if id, err := strconv.ParseUint(s, 10, 32); err == nil {
				c.Groups = append(c.Groups, uint32(id))
			}
		}
	}
	if os.Geteuid() == int(uid) && os.Getegid() == int(c.Gid) {
		c = nil // nothing to change, and without root nothing could be
	}
	return identity{name: u.Username, home: u.HomeDir, credential: c}, nil
}
