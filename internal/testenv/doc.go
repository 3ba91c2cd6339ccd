// Package testenv gives tests the real servers that the product runs on:
// PostgreSQL, Redis, an S3 server and Chromium. Each server is private to one
// test binary, listens on loopback, keeps its files in a temporary folder, and
// goes away with the test process, however that ends. It works as root and as
// an ordinary user.
//
// What is missing on the machine fails the test and says how to install it; a
// test is never skipped.
//
// Only tests import it. It may import db and blob.
package testenv
