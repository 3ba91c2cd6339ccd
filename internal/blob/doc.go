// Package blob keeps the sealed objects.
package blob
