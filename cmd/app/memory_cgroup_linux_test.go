package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contained gives the words before a command that let it see a container's
// memory limit: a folder with the files that the kernel has there, laid over that
// of its control group, in a mount namespace of its own.
func contained(t *testing.T, limit string) []string {
	t.Helper()
	files := t.TempDir()
	for name, content := range map[string]string{
		"memory.limit_in_bytes": limit, "memory.stat": "hierarchical_memory_limit " + limit, "memory.max": limit,
	} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lay := []string{"sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", files, memoryGroup(t)}
	var why []byte
	for _, enter := range [][]string{
		{"unshare", "--mount"}, {"unshare", "--user", "--map-root-user", "--mount"},
		{"sudo", "-n", "--preserve-env", "unshare", "--mount"},
	} {
		all := slices.Concat(enter, lay)
		out, err := exec.Command(all[0], append(all[1:], "true")...).CombinedOutput()
		if err == nil {
			return all
		}
		why = append(why, out...)
	}
	t.Fatalf("no mount namespace may be made here: %s", why)
	return nil
}

// memoryGroup is the folder in which the kernel shows the memory limit of this
// process, in either of the two versions of control groups.
func memoryGroup(t *testing.T) string {
	t.Helper()
	groups, mounts := lines(t, "/proc/self/cgroup"), lines(t, "/proc/self/mountinfo")
	version, controller := "cgroup", ":memory:"
	at := slices.IndexFunc(groups, func(l string) bool { return strings.Contains(l, controller) })
	if at < 0 {
		version, controller = "cgroup2", "0::"
		at = slices.IndexFunc(groups, func(l string) bool { return strings.HasPrefix(l, controller) })
	}
	for _, l := range mounts {
		before, after, _ := strings.Cut(l, " - ")
		kind := strings.Fields(after)
		if at < 0 || kind[0] != version || version == "cgroup" && !slices.Contains(strings.Split(kind[len(kind)-1], ","), "memory") {
			continue
		}
		mount := strings.Fields(before)[4]
		_, path, _ := strings.Cut(groups[at], controller)
		if own := filepath.Join(mount, path); isFolder(own) {
			return own
		}
		return mount
	}
	t.Fatalf("no control group for memory in %q", groups)
	return ""
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// In a container Go keeps to nine tenths of its memory, and serve takes as many
// bodies as fit; a limit that the operator set for Go stays.
func TestServeKeepsToItsContainer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings []string
		want     string
	}{
		"nothing set":    {nil, "go_gc_gomemlimit_bytes 6.0397977e+07"},
		"set to nothing": {[]string{"GOMEMLIMIT="}, "go_gc_gomemlimit_bytes 6.0397977e+07"},
		"set":            {[]string{"GOMEMLIMIT=50MiB"}, "go_gc_gomemlimit_bytes 5.24288e+07"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newProcessOf(t, append(contained(t, "67108864"), "app", "serve"), tc.settings...)
			says(t, string(s.asks("GET", "/metrics", "", "").body), tc.want)
		})
	}
}
