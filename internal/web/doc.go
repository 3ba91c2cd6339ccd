// Package web is the HTTP face of the program: the interface of internal/api,
// the pages of guests and studios, health and the limits that keep a small machine alive
// under slow and many clients.
//
// One table (routes.go) lists every route with the kinds of token that it takes
// and the types it reads and answers. The mux, authentication, the OpenAPI
// document and the tests are made from it. One table (errors.go) turns errors
// into answers; handlers return errors and write none.
//
// # Limits
//
// A body of a part is in flight only while it holds one of MaxStreams slots.
// Beyond them up to MaxWaiting bodies wait for StreamWait, unread, and then
// get 503. While others wait, one transfer gets no further slot beyond a
// quarter of them and one address none beyond half, as long as somebody below
// that waits; and when one such has waited for half of StreamWait, the youngest
// body above these shares gives way with 503 and is sent again. Answers with file content have four times as many slots of their
// own. JSON bodies over 64 KiB, which only a declare may have, are read four at
// a time, and those that take longer than StreamWait give way to others.
//
// Time limits belong to progress: a body or an answer ends when it moves less
// than MinRate over a window of IdleTimeout, however long it lasts in all.
//
// What each thing costs, roughly: an idle connection 16 KiB (two 4 KiB buffers
// of net/http, a goroutine's stack, the socket), a part in flight 256 KiB
// for its segments beyond that and as much again for the store, a waiting body nothing
// beyond its connection, a download one segment and one copy buffer of 64 KiB,
// a declare up to 4 MiB of body and about as much again decoded.
//
// At MaxConns connections the one that is idle longest is closed for a new one,
// or else the one whose small body does not come or is read by nobody; where
// there is none, accepting waits. At most three quarters of MaxConns carry
// a part's body or a file's content, so that health, pages and calls always
// find a connection that is idle or will be soon.
//
// What it hides: routing, tokens, cookies, deadlines, ranges, headers and the
// mapping of errors. What it promises: no text of an error from below reaches
// a client; no token, key, name or path with a secret is logged; an answer
// whose bytes turn out to be damaged ends its connection; every answer has
// an X-Request-Id and the security headers.
//
// It may import api, transfer, account, archive and catalog.
package web
