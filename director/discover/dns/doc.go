// Package dns reads sources of kind dns: A, AAAA and SRV records of a name, by UDP with
// EDNS and by TCP where an answer is truncated (RFC 1035, 2782, 6891). The name is asked
// for as it is written: there is no search list.
//
// An answer counts only if it comes from the server that was asked, has the number of the
// question and the question itself; what else arrives is passed over. Of an answer's
// records those count that are the name's, or those of the aliases (CNAME) that lead from
// it.
//
//	r := dns.New(source, transport)
//	answer := r.Read(ctx) // ends with ctx
package dns
