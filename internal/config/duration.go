package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errDuration = errors.New("it is not a duration: give a number with ms, s, m, h or d, such as 90s, 1h30m or 21d")

// maxDays keeps days within what a time.Duration holds (292 years).
const maxDays = 100_000

// ParseDuration reads Go's durations, with whole days in front if wanted: 90s, 1h30m, 21d, 1d12h. A number without
// a unit is an error, since half of those who write one mean something else.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, errDuration
		}
		return d, nil
	}
	count, err := strconv.ParseUint(days, 10, 32)
	if err != nil || count > maxDays {
		return 0, errDuration
	}
	total := time.Duration(count) * 24 * time.Hour
	if rest == "" {
		return total, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || rest[0] == '+' || total+more < total {
		return 0, errDuration
	}
	return total + more, nil
}

// FormatDuration writes a duration without the zeros of time.Duration: 168h and not 168h0m0s.
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
