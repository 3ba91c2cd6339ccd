// Package client is the HTTP interface of internal/api as Go: what the commands
// `app send` and `app get` are made of, and what tests and other programs talk
// to a server with.
//
// Three handles have one call a method: Upload is a transfer that is being
// filled, Share a download link, Studio an account. Sending and Fetching do the
// whole of it over many files: parts in parallel, going on where an earlier run
// stopped, comparing checksums before anything is taken for done.
//
// What it hides: retries with growing, jittered waits and Retry-After; that a
// connection that breaks while sending means the same as a 503; deadlines that
// move with progress, so that a part may take an hour but not stand still for
// two minutes; pages of lists; ranges that go on where a connection broke.
//
// What it promises: a call that is not safe to repeat is repeated only where the
// server surely did not do it. A refusal of the server is an *api.Problem by
// errors.As, with code and status; one by something between is a *StatusError.
// Memory is bounded by the number of parts in flight and of files, never by
// sizes. Nothing is kept between processes: the caller keeps the idempotency
// key, and what Fetching writes beside the files it fetches. No redirect is
// followed, so no token ever reaches another host.
//
// It imports the standard library, api and names.
package client
