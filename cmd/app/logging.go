package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/charmbracelet/log"
	"golang.org/x/term"

	"github.com/lenzeye/lenzeye/internal/config"
)

// newLogger writes text for people on a terminal and JSON elsewhere, unless the
// configuration chooses.
func newLogger(w io.Writer, c config.Log) *slog.Logger {
	formatter := log.JSONFormatter
	if c.Format == "text" || (c.Format != "json" && isTerminal(w)) {
		formatter = log.TextFormatter
	}
	level, err := log.ParseLevel(c.Level)
	if err != nil { // the configuration has checked it
		level = log.InfoLevel
	}
	return slog.New(log.NewWithOptions(w, log.Options{
		Level: level, Formatter: formatter, ReportTimestamp: true, TimeFormat: time.RFC3339Nano,
		TimeFunction: log.NowUTC,
	}))
}

// isTerminal tells whether a person watches w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
