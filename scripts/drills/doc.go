// Package drills proves by its test that a backup is worth its name: a real
// program is backed up while it works, everything is destroyed and put back, and
// every file is fetched and compared.
//
//	scripts/drill sqlite
//	scripts/drill postgres
//
// The package itself is empty and imports nothing; its tests may import
// testenv.
package drills
