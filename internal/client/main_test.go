package client_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain keeps the property short, since its waits are real ones, and its
// failures out of the source tree: their seed is in the message. The command
// line rules over both.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "20", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
