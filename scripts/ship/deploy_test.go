package ship_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// platform is a deploy hook and a service that runs a commit some looks later.
type platform struct {
	refuse  int // hooks answer so often with 503
	pending int // looks at /version until the new commit runs

	mu     sync.Mutex
	called []string
	runs   string
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.URL.Path == "/version":
		if p.pending--; p.pending == 0 {
			p.runs = strings.Repeat("ab", 20)
		}
		if p.pending == 1 {
			w.WriteHeader(http.StatusBadGateway) // between the two
			return
		}
		fmt.Fprintf(w, `{"version":"dev","commit":"%s","go":"go1.26"}`, p.runs)
	case p.refuse > 0:
		p.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodPost:
		p.called = append(p.called, r.URL.String())
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("ab", 20)
	for _, c := range []struct {
		name    string
		p       *platform
		timeout string
		code    int
		says    string
		called  []string
	}{
		{"it comes to run", &platform{pending: 4}, "60", 0, "runs " + commit, []string{"/worker?key=s3cr3t&ref=" + commit, "/web?ref=" + commit}},
		{"a hook fails once", &platform{pending: 1, refuse: 1}, "60", 0, "runs " + commit, []string{"/worker?key=s3cr3t&ref=" + commit, "/web?ref=" + commit}},
		{"the old one goes on", &platform{pending: 1000}, "1", 1, "still does not run", []string{"/worker?key=s3cr3t&ref=" + commit, "/web?ref=" + commit}},
		{"a hook refuses", &platform{refuse: 1000}, "60", 1, "hook 1 was refused", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.p.runs = strings.Repeat("cd", 20)
			server := httptest.NewServer(c.p)
			defer server.Close()
			cmd := exec.CommandContext(t.Context(), "../deploy", commit)
			cmd.Env = []string{
				"PATH=" + os.Getenv("PATH"), "DEPLOY_TIMEOUT=" + c.timeout, "DEPLOY_EVERY=0.1", "DEPLOY_URL=" + server.URL + "/",
				"DEPLOY_HOOK_URLS=" + server.URL + "/worker?key=s3cr3t " + server.URL + "/web",
			}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("%v, want exit code %d and %q in:\n%s", err, c.code, c.says, out.String())
			}
			if strings.Contains(out.String(), "s3cr3t") {
				t.Errorf("a hook's address is printed:\n%s", out.String())
			}
			c.p.mu.Lock()
			defer c.p.mu.Unlock()
			if diff := cmp.Diff(c.called, c.p.called); diff != "" {
				t.Errorf("hooks (-want +got):\n%s", diff)
			}
		})
	}
}
