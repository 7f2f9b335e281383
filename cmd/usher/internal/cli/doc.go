// Package cli is usher's command line: one file for each command, all made by
// Run from the arguments, the streams and the environment that it is given.
package cli
