package main

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// releaseMemory gives back what starting or past work took and running does not need: the
// heap, and the pages of the program's own file that only starting read. The
// kernel maps those again, a few at a time, where they are needed after all; on a
// small machine they are half of what an idle process holds.
func releaseMemory() {
	debug.FreeOSMemory()
	name, err := os.Executable()
	if err != nil {
		return
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	for _, m := range cleanMappings(bufio.NewScanner(file), name) {
		// Advice that is refused costs nothing but the memory.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.from, m.to-m.from, syscall.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// cleanMappings are the ranges that show the file name as it is on disk: nobody
// may write to them, and no page of them was changed before that, as a loader's
// relocations are. Only such pages can be read again.
func cleanMappings(smaps *bufio.Scanner, name string) []mapping {
	var clean []mapping
	var at mapping
	candidate := false
	for smaps.Scan() {
		fields := strings.Fields(smaps.Text())
		switch {
		case len(fields) >= 6 && strings.Contains(fields[0], "-"):
			var ok bool
			at, ok = parseRange(fields[0])
			candidate = ok && fields[5] == name && !strings.Contains(fields[1], "w")
		case candidate && len(fields) == 3 && fields[0] == "Anonymous:":
			if fields[1] == "0" {
				clean = append(clean, at)
			}
			candidate = false
		}
	}
	return clean
}

func parseRange(text string) (mapping, bool) {
	low, high, _ := strings.Cut(text, "-")
	from, err := strconv.ParseUint(low, 16, 64)
	if err != nil {
		return mapping{}, false
	}
	to, err := strconv.ParseUint(high, 16, 64)
	if err != nil || to <= from {
		return mapping{}, false
	}
	return mapping{uintptr(from), uintptr(to)}, true
}
