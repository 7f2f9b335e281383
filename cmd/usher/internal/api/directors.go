package api

import "time"

// Directors is every director of the group as this one sees it: the block peers. What it
// says of the others is what they said of themselves; nothing is done by it.
type Directors struct {
	Self      string     `json:"self"` // this director's name among them
	Directors []Director `json:"directors"`
	// BothActive are instances that more than one director is active for at this moment.
	BothActive []BothActive `json:"both_active"`
	// Differences are those that have lasted for ten seconds, or as long as checks take to
	// agree; each is a warning, too.
	Differences []Difference      `json:"differences"`
	Refused     map[string]uint64 `json:"refused"` // packets and messages that were thrown away, by reason
	// Error says why this director does not speak with the others; absent where it does.
	Error string `json:"error,omitempty"`
}

// Director is one director of the group, this one first, the others by name.
type Director struct {
	Name    string `json:"name"` // "" for an address of peers.join where nobody has answered so far
	Address string `json:"address"`
	Self    bool   `json:"self,omitempty"`
	Up      bool   `json:"up"`            // it is heard; what is shown of one that is not is as old as its age_seconds
	Why     string `json:"why,omitempty"` // it is not heard, or what is odd about it
	// Since is since when it is heard, or is not.
	Since time.Time `json:"since"`
	// Heard is when it was last heard, and AgeSeconds how long ago; absent for this director
	// and for one that was never heard.
	Heard      *time.Time `json:"heard,omitempty"`
	AgeSeconds *float64   `json:"age_seconds,omitempty"`

	Version       string         `json:"version"`
	Started       *time.Time     `json:"started,omitempty"`
	Maintenance   bool           `json:"maintenance"`
	Instances     []DirectorRole `json:"instances"`
	RealServers   int            `json:"real_servers"`    // all that it has
	RealServersUp int            `json:"real_servers_up"` // those of them that are up for it
	// Down are real servers that its checks have not up, twenty at most, DownMore how many
	// more there are.
	Down     []DirectorServer `json:"down"`
	DownMore int              `json:"down_more,omitempty"`
	// Differs are the parts of its configuration that are not as this director's, at this moment.
	Differs []string `json:"differs"`
	// NotCompared says why its configuration and its servers are not compared with this
	// director's, of another version for example; absent where they are.
	NotCompared string `json:"not_compared,omitempty"`
	// ClockAhead is by how much its clock is ahead of this machine's.
	ClockAhead float64 `json:"clock_ahead_seconds,omitempty"`
}

// DirectorRole is the part that a director has in an instance.
type DirectorRole struct {
	Name            string    `json:"name"`
	State           string    `json:"state" enum:"active,backup,fault,initialize"` // active, backup, fault or initialize
	VirtualRouterID int       `json:"virtual_router_id"`
	Priority        int       `json:"effective_priority"`
	Since           time.Time `json:"since"`
}

// DirectorServer is a real server that is not up for a director.
type DirectorServer struct {
	VirtualServer string    `json:"virtual_server"`
	RealServer    string    `json:"real_server"` // address:port
	State         string    `json:"state"`
	Reason        string    `json:"reason,omitempty"`
	Since         time.Time `json:"since"`
}

// BothActive is an instance that several directors are active for.
type BothActive struct {
	Instance  string   `json:"instance"`
	Directors []string `json:"directors"`
}

// Difference is something that differs between directors and has lasted.
type Difference struct {
	Kind      string    `json:"kind" enum:"config,health,pool,active"` // config, health, pool or active
	Subject   string    `json:"subject"`                               // the part, virtual server, real server or instance; "" for several
	Directors []string  `json:"directors"`                             // the others that it is about; of active, all that are
	Servers   int       `json:"real_servers,omitempty"`                // of health: how many real servers
	Parts     []string  `json:"parts,omitempty"`                       // of config: the parts
	Text      string    `json:"text"`                                  // with what to do about it
	Since     time.Time `json:"since"`
}

// StateWord is a director's state in a word for people.
func (d Director) StateWord() string {
	switch {
	case !d.Up:
		return "absent"
	case d.Maintenance:
		return "maintenance"
	}
	return "up"
}

// Shown is the director's name, or its address while no name is known.
func (d Director) Shown() string {
	if d.Name == "" {
		return d.Address
	}
	return d.Name
}

// In are the names of the instances that a director is in a state for.
func (d Director) In(state string) (names []string) {
	for _, i := range d.Instances {
		if i.State == state {
			names = append(names, i.Name)
		}
	}
	return names
}
