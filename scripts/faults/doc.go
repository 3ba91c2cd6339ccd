// Package faults proves by its tests that nothing is lost. TestChaos runs the
// real program as a process, lets guests send and fetch through it, and
// meanwhile kills it, cuts and slows its connections, restarts its database
// and lets its bucket answer wrongly. Afterwards it compares every file and
// counts what the database and the store hold.
//
//	scripts/chaos --kills 200 --engine postgres --store s3
//	scripts/chaos --instances 3 --workers 2 --kills 100
//
// With instances several processes serve and work on one database, queue and
// bucket, behind a balancer that hands each request to the next of them. They
// are killed and rolled, old and new together, and whole parts of the system go
// away until everybody says so. With rotate master and account keys are replaced
// meanwhile, as docs/operations.md tells operators to.
//
// The guests here are a client of their own, written from the HTTP interface
// alone, so that a mistake cannot hide in code that both sides share.
//
// The package itself is empty and imports nothing; its tests may import
// testenv.
package faults
