package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseByteSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want ByteSize
	}{
		{"0", 0}, {"8190", 8190}, {"7B", 7}, {"25GiB", 25 * GiB}, {"25 gib", 25 * GiB}, {" 10MB ", 10_000_000},
		{"1.5GiB", GiB + GiB/2}, {"0.1KiB", 102}, {"1TB", 1e12}, {"3KB", 3000}, {"2KiB", 2048}, {"1TiB", TiB},
		{"9223372036854775807", math.MaxInt64}, {"00012", 12},
	}
	for _, test := range tests {
		if got, err := ParseByteSize(test.text); err != nil || got != test.want {
			t.Errorf("ParseByteSize(%q) = %d, %v, want %d", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{
		"", " ", "-1", "+1", "1K", "1G", "10 M", "GiB", "1e3", "0x10", "1/3", "1_000", "1,5GB", ".5GB", "5.", "1.2.3", "1 2KB",
		"9223372036854775808", "9000000TiB", "１", "1GiB/s", strings.Repeat("9", 400),
	} {
		if got, err := ParseByteSize(text); err == nil {
			t.Errorf("ParseByteSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestByteSizeString(t *testing.T) {
	t.Parallel()
	tests := []struct {
		size ByteSize
		want string
	}{
		{0, "0"}, {8190, "8190"}, {32 * KiB, "32KiB"}, {25 * GiB, "25GiB"}, {10_000_000, "10MB"}, {1024 * TiB, "1024TiB"},
	}
	for _, test := range tests {
		if got := test.size.String(); got != test.want {
			t.Errorf("size %d is written %q, want %q", int64(test.size), got, test.want)
		}
	}
}

func FuzzByteSize(f *testing.F) {
	for _, seed := range []string{"25GiB", "1.5 GB", "8190", "9223372036854775807", "-1", "1e9", "0.0000000001TiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseByteSize(text)
		if err != nil {
			return
		}
		if size < 0 {
			t.Fatalf("ParseByteSize(%q) = %d", text, int64(size))
		}
		if again, err := ParseByteSize(size.String()); err != nil || again != size {
			t.Fatalf("%d is written %q, which is read as %d, %v", int64(size), size, int64(again), err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Duration
	}{
		{"0", 0}, {"120s", 2 * time.Minute}, {" 1h30m ", 90 * time.Minute}, {"100ms", 100 * time.Millisecond},
		{"21d", 21 * 24 * time.Hour}, {"1d12h", 36 * time.Hour}, {"0d", 0},
	}
	for _, test := range tests {
		if got, err := ParseDuration(test.text); err != nil || got != test.want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"", "120", "d", "1.5d", "-1d", "1d-1h", "1d+1h", "1d2", "1dd", "2w", "1 d", "100001d", "99999999999999d", "100000d999999h999999h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"0s", "10s", "1m", "1m30s", "1h", "168h", "1h30m", "1h0m5s", "100ms", "20m"} {
		d, err := ParseDuration(want)
		if got := FormatDuration(d); err != nil || got != want {
			t.Errorf("FormatDuration(%v) = %q, %v, want %q", d, got, err, want)
		}
	}
}

func TestSecretNeverShows(t *testing.T) {
	t.Parallel()
	const value = "hunter2-secret"
	held := struct {
		S Secret
		M map[string]Secret
		P *Secret
		h Secret
	}{NewSecret(value), map[string]Secret{"k": NewSecret(value)}, new(NewSecret(value)), NewSecret(value)}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", held.S, "struct", held)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", held.S, "struct", held)
	encoded, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08.3f", "%t", "%p", "%T", "%c"} {
		shown += fmt.Sprintf(verb, held) + fmt.Sprintf(verb, held.S) + fmt.Sprintf(verb, &held.S)
	}
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprintf("%d", []byte(value))} {
		if strings.Contains(shown, leak) {
			t.Errorf("the secret shows as %q in:\n%s", leak, shown)
		}
	}
	if got := fmt.Sprint(held.S); got != "[redacted]" {
		t.Errorf("a set secret is written %q", got)
	}
	if got := fmt.Sprint(Secret{}); got != "" || NewSecret("").IsSet() || !held.S.IsSet() {
		t.Errorf("an empty secret is written %q, or counts as set", got)
	}
	if got := held.S.Reveal(); got != value {
		t.Errorf("Reveal() = %q, want %q", got, value)
	}
}
