// Package command runs the operator's programs: health checks, track scripts and
// notifications.
//
// They are not started by usher itself but by a small process of it, the launcher, and
// for that there are four reasons. Limits, the OOM score and the schedule are inherited,
// and Go cannot set them between fork and exec: the launcher has those of a plain user,
// and so has whatever it starts. It is the subreaper of what it starts, so that a process
// that left its group and its parent is found and ended, too. It waits for every child
// that it has, known or not, so that none stays a zombie, and no exit status is taken from
// another waiter. And it has nothing that a program could find: no environment of
// usher's, no descriptor, no secret in memory.
package command
