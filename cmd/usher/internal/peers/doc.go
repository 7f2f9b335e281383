// Package peers makes a group of the directors of one service. hashicorp/memberlist does
// membership, failure detection, encryption, gossip and the exchange of whole states;
// package share has what they share. What is here ties the two to this machine's sockets,
// and looks at each packet before memberlist does: a peer that is slow, cut off, hostile
// or has another key costs a bounded share of time and memory.
package peers
