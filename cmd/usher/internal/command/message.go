package command

import "time"

// request asks the launcher to run a program, or to end one that runs.
type request struct {
	ID     uint64
	Cancel bool // end the one of this ID
	Command
}

// reply is what became of a program.
type reply struct {
	ID     uint64
	Failed string // why it could not be started; "" where it was
	Exit
}

// Command is a program to be run, without a shell, in "/", with nothing on its standard
// input, in a session of its own.
type Command struct {
	Args []string // the program and its arguments
	User string   // USER or USER:GROUP, names or numbers; "" for usher's own
	Env  []string // all that it finds beside PATH, HOME, USER, LOGNAME
	// Stdout: what it says on standard output belongs to the Exit, too; it is thrown
	// away otherwise.
	Stdout bool
	// Leave: what it leaves running when it ends of itself is left running. Else nothing
	// of it outlives its first process.
	Leave bool
	// Grace is how long it has, after it was asked to end by SIGTERM, before it is
	// killed; 0 kills at once.
	Grace time.Duration
}

// Exit is how a program ended. Its text is as the program wrote it, nothing of it is
// made printable.
type Exit struct {
	Code   int
	Signal int    // that ended it; 0 for none
	Head   []byte // the beginning of what it said, headSize at most
	Tail   []byte // the end of it, tailSize at most
	Cut    bool   // it said more than outputLimit and nobody listened any more
}

// Bounds of what is kept, and of what is read at all, of what a program says.
const (
	headSize    = 4096
	tailSize    = 512
	outputLimit = 1 << 20
)

// runVariable is the environment variable by which the processes of a run are told from
// those of others, once they have left its session and their parent.
const runVariable = "USHER_RUN"
