// Package arch has no code of its own: its tests hold the rules of the house, the
// import arrows and the purity of the cores, so that they cannot erode unseen.
package arch
