// Package api holds the wire of the HTTP interface, version 1: the types of
// every request and answer, the codes of problems with their statuses, and the
// strict reading of JSON. The server answers with these types, the Go client
// reads them, and the OpenAPI document is made from them, so that the three
// cannot disagree.
//
// What it hides: how times, checksums and optional values are written, and
// what encoding/json forgives and this interface does not (repeated and
// unknown fields, other letter case, bytes that are not UTF-8).
//
// What it promises: lists are written as [] and never as null; optional values
// are present as null; times are UTC with milliseconds; a field once named
// keeps its name and type.
//
// It imports the standard library only.
package api
