package ship_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/config"
)

// TestPageOfOneMachine reads the settings that docs/deploy-vps.md shows, as the
// program would, for both ways to keep things.
func TestPageOfOneMachine(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/deploy-vps.md")
	blocks := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(yaml|sh)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["yaml"]) != 1 || len(blocks["sh"]) != 4 {
		t.Fatalf("the page shows %d and %d settings", len(blocks["yaml"]), len(blocks["sh"]))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "app.yaml")
	if err := os.WriteFile(file, []byte(blocks["yaml"][0]), 0o600); err != nil {
		t.Fatal(err)
	}
	source := config.Source{Dir: dir, Environ: append(strings.Fields(blocks["sh"][0]), "APP_CONFIG="+file)}
	c, err := config.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	if c.IsProduction() || c.Database().Engine != config.SQLite || c.MailDriver() != config.MailSMTP || len(c.HTTP.TrustedProxies) != 1 {
		t.Errorf("the embedded default is %+v", c)
	}
	given := strings.ReplaceAll(blocks["sh"][1], "MASTER_KEYS=1:…", "MASTER_KEYS=1:"+strings.Repeat("ab", 32))
	source.Environ = append(source.Environ, append(strings.Fields(given), "APP_ENVIRONMENT=production")...)
	source.Needs = []config.Need{config.NeedMasterKey, config.NeedDatabase, config.NeedBucket}
	if c, err = config.Load(source); err != nil || !c.UsesBucket() || c.Database().Engine != config.PostgreSQL {
		t.Errorf("the external stores are %+v: %v", c, err)
	}
	if !strings.Contains(page, "client_max_body_size 600m;") || !strings.Contains(page, "proxy_request_buffering off;") {
		t.Error("nginx would refuse or buffer parts")
	}
	machine := newMachine(t, blocks["yaml"][0])
	machine.restores(t, blocks["sh"][2], blocks["sh"][3])
}

// machine is one that the page sets up: the folders of a system below one of
// the test's, and systemd's own commands played by scripts. Everything else is
// real: the lines of the page, the units, the wrapper, and the program.
type machine struct {
	root, addr string
	paths      *strings.Replacer
}

// systemctl starts and stops the service and runs the backup as their units say.
const systemctl = `#!/bin/bash
set -euo pipefail
unit() { # NAME KEY: the values of a unit's lines
  sed -n "s/^$2=//p" "$ROOT/units/$1"
}
environment() { unit "$1" Environment; sed '/^#/d' "$(unit "$1" EnvironmentFile | sed 's/^-//')"; }
clean() { # UNIT COMMAND…: as the unit's user would, with the unit's settings alone
  local name=$1; shift
  mapfile -t settings < <(environment "$name")
  cd "$(unit "$name" WorkingDirectory)"
  env -i PATH="$PATH" JOURNAL_STREAM=8:1 APP_STORAGE_MIN_FREE=0 "${settings[@]}" "$@"
}
case "$*" in
daemon-reload) ;;
"enable --now lenzeye-backup.timer") unit lenzeye-backup.timer OnCalendar | grep -q . ;;
"start lenzeye-backup.service")
  unit lenzeye-backup.service ExecStart >"$ROOT/steps"
  while read -r -a step; do clean lenzeye-backup.service "${step[@]}"; done <"$ROOT/steps" ;;
"start lenzeye")
  read -r -a before < <(unit lenzeye.service ExecStartPre)
  read -r -a serve < <(unit lenzeye.service ExecStart)
  clean lenzeye.service "${before[@]}"
  (clean lenzeye.service bash -c 'echo $$ >"$0/pid"; exec "$@"' "$ROOT" "${serve[@]}" >>"$ROOT/journal" 2>&1) &
  started=$!
  until curl -fsS "http://$ADDR/readyz" >/dev/null 2>&1; do kill -0 "$started"; sleep 0.1; done ;;
"stop lenzeye")
  pid=$(cat "$ROOT/pid")
  kill -TERM "$pid"
  while kill -0 "$pid" 2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$pid/stat")" != Z ]; do sleep 0.1; done ;;
*) echo "systemctl $*: the test does not know that" >&2; exit 1 ;;
esac
`

// systemdRun does at once what would be done in a unit.
const systemdRun = `#!/bin/bash
set -euo pipefail
settings=(PATH="$PATH" APP_STORAGE_MIN_FREE=0)
while :; do
  case $1 in
  --quiet | --pipe | --pty | --wait | --collect) ;;
  --setenv=*) settings+=("${1#--setenv=}") ;;
  --property=EnvironmentFile=-*) mapfile -t -O "${#settings[@]}" settings <"${1#*=-}" ;;
  --property=WorkingDirectory=*) cd "${1#*=*=}" ;;
  --property=User=lenzeye | --property=UMask=0077) ;;
  --*) echo "systemd-run $1: the test does not know that" >&2; exit 1 ;;
  *) break ;;
  esac
  shift
done
exec env -i "${settings[@]}" "$@"
`

// There is no user lenzeye here: files are the test's own.
const install = `#!/bin/bash
set -euo pipefail
words=()
while [ $# -gt 0 ]; do
  case $1 in
  -o | -g) shift ;;
  *) words+=("$1") ;;
  esac
  shift
done
exec /usr/bin/install "${words[@]}"
`

// Of rsync only what the page asks of it.
const rsync = `#!/bin/bash
set -euo pipefail
words=()
for word; do
  case $word in
  -a | --chown=lenzeye:lenzeye) ;;
  -*) echo "rsync $word: the test does not know that" >&2; exit 1 ;;
  *) words+=("$word") ;;
  esac
done
mkdir -p "${words[1]}"
exec cp -a "${words[0]}." "${words[1]}"
`

func newMachine(t *testing.T, settings string) *machine {
	t.Helper()
	m := &machine{root: t.TempDir(), addr: freeAddress(t)}
	at := func(name string) string { return filepath.Join(m.root, name) }
	m.paths = strings.NewReplacer(
		"/usr/local/bin/app", at("bin/app"), "/usr/bin/rsync", at("bin/rsync"), "/etc/systemd/system", at("units"),
		"/etc/lenzeye", at("etc"), "/var/lib/lenzeye", at("data"), "/backup", at("backup"), "/root/", at("elsewhere")+"/",
		"127.0.0.1:8080", m.addr,
	)
	for _, dir := range []string{"bin", "units", "etc", "data", "elsewhere", "configs"} {
		if err := os.Mkdir(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"bin/systemctl": systemctl, "bin/systemd-run": systemdRun, "bin/install": install, "bin/rsync": rsync,
		"bin/lenzeye": m.paths.Replace(read(t, "configs/lenzeye.sh")), "etc/app.yaml": m.paths.Replace(settings), "etc/env": "SMTP_URL=smtp://127.0.0.1:1\n",
		"units/lenzeye.service":          m.paths.Replace(read(t, "configs/lenzeye.service")),
		"configs/lenzeye-backup.service": m.paths.Replace(read(t, "configs/lenzeye-backup.service")),
		"configs/lenzeye-backup.timer":   m.paths.Replace(read(t, "configs/lenzeye-backup.timer")),
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", at("bin/app"), "github.com/lenzeye/lenzeye/cmd/app").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return m
}

// does runs lines in the machine's shell.
func (m *machine) does(t *testing.T, lines string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", m.paths.Replace(lines))
	cmd.Dir = m.root
	cmd.Env = []string{"PATH=" + filepath.Join(m.root, "bin") + ":" + os.Getenv("PATH"), "ROOT=" + m.root, "ADDR=" + m.addr, "HOME=" + m.root}
	said, err := os.CreateTemp(t.TempDir(), "said") // a file: a server that is left running holds no pipe
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = said, said
	runErr := cmd.Run()
	text, err := os.ReadFile(said.Name())
	if err != nil || said.Close() != nil {
		t.Fatal(err)
	}
	if runErr != nil {
		journal, _ := os.ReadFile(filepath.Join(m.root, "journal"))
		t.Fatalf("%s: %v\n%s\n%s", lines, runErr, text, journal)
	}
	return string(text)
}

// restores makes a studio with a transfer, does the backup of the page, loses
// the machine, does the restore, and fetches what was sent.
func (m *machine) restores(t *testing.T, backup, restore string) {
	t.Helper()
	m.does(t, "systemctl start lenzeye")
	defer m.does(t, "systemctl stop lenzeye")
	made := m.does(t, `lenzeye account create anna@example.com --name "Anna's Studio" --token laptop`)
	token := regexp.MustCompile(`lza_\S+`).FindString(made)
	if token == "" {
		t.Fatalf("no token: %s", made)
	}
	if journal, err := os.ReadFile(filepath.Join(m.root, "journal")); err != nil || bytes.Contains(journal, []byte("lza_")) {
		t.Errorf("the journal has a token: %s, %v", journal, err)
	}
	m.does(t, `curl -fsS -H 'Authorization: Bearer `+token+`' -H 'Content-Type: application/json' -d '{"slug": "anna", "title": "x"}' http://127.0.0.1:8080/api/v1/links`)
	m.does(t, `head -c 300000 /dev/urandom >one.raw; app send one.raw --to http://127.0.0.1:8080/u/anna --from b@example.com --json >sent.json`)
	var sent struct {
		Share struct{ URL, Code string }
	}
	text, err := os.ReadFile(filepath.Join(m.root, "sent.json"))
	if err != nil || json.Unmarshal(text, &sent) != nil || sent.Share.Code == "" {
		t.Fatalf("sent %s: %v", text, err)
	}

	m.does(t, backup)
	m.does(t, "cp /var/lib/lenzeye/master.keys /root/master.keys && rm -rf /var/lib/lenzeye/app.db* /var/lib/lenzeye/blobs /var/lib/lenzeye/master.keys")
	m.does(t, restore)
	_, token, _ = strings.Cut(sent.Share.URL, "/d/")
	m.does(t, "app get http://127.0.0.1:8080/d/"+token+" --code "+sent.Share.Code+" -o fetched && cmp one.raw fetched/one.raw")
}
