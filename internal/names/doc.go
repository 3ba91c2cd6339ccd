// Package names holds the rules for the paths of files in a transfer.
//
// It decides which paths a guest may declare (Check), which of them are the same path (Key), and what a path is
// called where the rules of others hold (Safe and Unique): in a ZIP that Windows, macOS and Linux unpack, and in a
// folder that a command writes to.
//
// It hides Unicode normalisation, case folding and the reserved names of Windows. It promises that Check accepts
// exactly what the interface documents, that Key is the same for canonically equal paths, that Safe is idempotent
// and keeps the number of segments, and that Unique gives the same names again for the same paths in the same order.
//
// A path as it was sent is never changed in a row or an answer; only its key is normalised.
//
// It imports the standard library and golang.org/x/text/unicode/norm, and nothing of this module.
package names
