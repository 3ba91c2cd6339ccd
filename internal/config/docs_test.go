package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/configuration.md and configs/app.example.yaml anew")

const (
	configsDir = "../../configs"
	docsFile   = "../../docs/configuration.md"
)

const docsIntro = `# Configuration

This page and [configs/app.example.yaml](../configs/app.example.yaml) are written from the key table in
` + "`internal/config`" + ` by ` + "`go test ./internal/config -update`" + `; a test fails when they differ from it.

## Where a value comes from

The first that gives a value wins:

1. a flag of the command, ` + "`--a.b-c`" + ` for the key ` + "`a.b_c`" + `;
2. the environment, ` + "`APP_A_B_C`" + `;
3. the env file: in production ` + "`render.env`" + `; in the local environment ` + "`local.env`" + `, else ` + "`sendgrid.env`" + `, in the
   current folder, if it is there;
4. the YAML file that ` + "`--config`" + ` or ` + "`APP_CONFIG`" + ` names;
5. the default.

Some keys have a name without the prefix too. Within one source the APP_ name wins. An empty variable counts as not set,
an empty flag clears a key that is empty by default. ` + "`app config`" + ` prints every value, redacted, and where it came from.

Every secret can be read from a file: ` + "`DATABASE_URL_FILE=/run/secrets/db`" + ` in place of ` + "`DATABASE_URL=…`" + `, for each of its
names. A secret on the command line can be read by everybody on the machine; prefer these files or the environment.

An unknown key in YAML, an unknown flag and an unknown APP_ variable are errors. Other unknown names in the environment and
in env files are ignored. Everything that is wrong is reported at once, and the program ends with exit code 2.

## How values are written

- A size is a number of bytes, or a number with KB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1,024s): ` + "`25GiB`" + `.
- A duration is a number with ms, s, m, h or d, or several of them: ` + "`90s`, `1h30m`, `21d`" + `.
- A list has commas or blanks between its items; in YAML it may be a list.
- An env file holds lines ` + "`NAME=value`" + `, with ` + "`export`" + ` in front or not. Single quotes keep everything; double quotes know
  ` + "`\\n`, `\\t`, `\\\"` and `\\\\`" + `; outside quotes a # after a blank begins a comment. Nothing is expanded.

## In production

serve and worker refuse to start without a master key (` + "`MASTER_KEYS`" + `), a database (` + "`DATABASE_URL`" + `), a bucket
(` + "`WASABI_BUCKET_NAME`" + ` and its keys) and the address that links and mails begin with (` + "`APP_HTTP_PUBLIC_URL`" + `; Render gives its
web services one), and name the variable that is missing. The environment is production where ` + "`APP_ENVIRONMENT`" + ` says so
or, without it, where ` + "`RENDER`" + ` is set.
`

// docsEnd has ´ where the page has a backquote.
const docsEnd = `
## OpenTelemetry

´serve´ and ´worker´ send [traces](operations.md#traces) when ´OTEL_EXPORTER_OTLP_ENDPOINT´ or ´OTEL_EXPORTER_OTLP_TRACES_ENDPOINT´ is
set. They stand in the environment or in the env file, and all are taken as secrets. These names are read, as OpenTelemetry defines them; other names
´OTEL_*´ are ignored:

| name | default | meaning |
|---|---|---|
| ´OTEL_EXPORTER_OTLP_ENDPOINT´ | – | base URL of the collector, ´http://…´ or ´https://…´; ´/v1/traces´ is put behind it |
| ´OTEL_EXPORTER_OTLP_TRACES_ENDPOINT´ | – | the whole URL, instead |
| ´OTEL_EXPORTER_OTLP_HEADERS´ | – | headers of each request, ´name=value,name=value´, percent-encoded |
| ´OTEL_EXPORTER_OTLP_TIMEOUT´ | ´10000´ | milliseconds for a batch, with its tries |
| ´OTEL_EXPORTER_OTLP_COMPRESSION´ | ´none´ | or ´gzip´ |
| ´OTEL_EXPORTER_OTLP_PROTOCOL´ | ´http/protobuf´ | no other is spoken |
| ´OTEL_EXPORTER_OTLP_CERTIFICATE´ | the system's | a PEM file of roots for https |
| ´OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE´, ´OTEL_EXPORTER_OTLP_CLIENT_KEY´ | – | PEM files of our own certificate |
| ´OTEL_SERVICE_NAME´ | ´lenzeye´ | who sends |
| ´OTEL_RESOURCE_ATTRIBUTES´ | – | more about it, ´name=value,name=value´ |
| ´OTEL_TRACES_SAMPLER´ | ´parentbased_always_on´ | also ´always_on´, ´always_off´, ´traceidratio´, ´parentbased_always_off´, ´parentbased_traceidratio´ |
| ´OTEL_TRACES_SAMPLER_ARG´ | ´1´ | the share of traces of a ´…traceidratio´, 0 to 1 |
| ´OTEL_BSP_SCHEDULE_DELAY´, ´OTEL_BSP_EXPORT_TIMEOUT´ | ´5000´, ´30000´ | milliseconds until a batch is sent, and for sending it |
| ´OTEL_BSP_MAX_QUEUE_SIZE´, ´OTEL_BSP_MAX_EXPORT_BATCH_SIZE´ | ´2048´, ´512´ | spans that wait, 65536 at most, and spans of a batch |
| ´OTEL_TRACES_EXPORTER´, ´OTEL_SDK_DISABLED´ | ´otlp´, ´false´ | ´none´ or ´true´: no traces, endpoint or not |

Each of ´OTEL_EXPORTER_OTLP_…´ also exists as ´OTEL_EXPORTER_OTLP_TRACES_…´, which is stronger.
`

const yamlIntro = `# Every key with its default. An empty value is the default too. The meaning of each is also in docs/configuration.md;
# how a value is chosen from flags, environment, env file and this file stands there.
#
# Use it with --config or APP_CONFIG. Keep secrets out of it: set them in the environment, or name a file with the
# variable and _FILE behind it, such as MASTER_KEYS_FILE.
`

// sections divides the keys by what stands before their dot.
func sections() (names []string, keys map[string][]Key) {
	keys = map[string][]Key{}
	for _, k := range Keys() {
		section, _, inSection := strings.Cut(k.Name, ".")
		if !inSection {
			section = ""
		}
		if keys[section] == nil {
			names = append(names, section)
		}
		keys[section] = append(keys[section], k)
	}
	return names, keys
}

func defaultText(k Key) string {
	if k.DefaultLocal != "" {
		return fmt.Sprintf("`%s`; local `%s`", k.Default, k.DefaultLocal)
	}
	if k.Default == "" {
		return "–"
	}
	return "`" + k.Default + "`"
}

func renderDocs() string {
	var b strings.Builder
	b.WriteString(docsIntro)
	names, keys := sections()
	for _, section := range names {
		title := section
		if section == "" {
			title = "General"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| key | variables | default | unit | allowed | meaning |\n|---|---|---|---|---|---|\n", title)
		for _, k := range keys[section] {
			variables := "`" + strings.Join(append([]string{k.Variable}, k.Aliases...), "`, `") + "`"
			name := "`" + k.Name + "`"
			if k.Kind == KindSecret {
				name += " (secret)"
			}
			unit := k.Unit
			if unit == "" && k.Kind == KindDuration {
				unit = "duration"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, variables, defaultText(k), unit, k.Allowed, k.Doc)
		}
	}
	b.WriteString(strings.ReplaceAll(docsEnd, "´", "`"))
	return b.String()
}

// wrap breaks a text into comment lines.
func wrap(text, indent string) string {
	const width = 110
	var b strings.Builder
	line := indent + "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

func yamlValue(k Key) string {
	switch {
	case k.DefaultLocal != "" || k.Default == "" || k.Name == "environment":
		return ""
	case k.Kind == KindInteger || k.Kind == KindBool:
		return " " + k.Default
	}
	return ` "` + k.Default + `"`
}

func renderYAML() string {
	var b strings.Builder
	b.WriteString(yamlIntro)
	names, keys := sections()
	for _, section := range names {
		indent := ""
		if keys[section][0].ReadOnly {
			continue
		}
		if section != "" {
			fmt.Fprintf(&b, "\n%s:\n", section)
			indent = "  "
		}
		for i, k := range keys[section] {
			if k.Name == "config" {
				continue
			}
			if i > 0 || section == "" {
				b.WriteString("\n")
			}
			b.WriteString(wrap(k.Doc, indent))
			facts := strings.Join(append([]string{k.Variable}, k.Aliases...), ", ")
			if k.Allowed != "" {
				facts += "; " + k.Allowed
			}
			if k.Unit != "" {
				facts += "; " + k.Unit
			}
			if k.DefaultLocal != "" {
				facts += "; " + strings.ReplaceAll(defaultText(k), "`", "")
			}
			b.WriteString(wrap(facts, indent))
			fmt.Fprintf(&b, "%s%s:%s\n", indent, strings.TrimPrefix(k.Name, section+"."), yamlValue(k))
		}
	}
	return b.String()
}

func TestDocumentsMatchTheTable(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		docsFile: renderDocs(), filepath.Join(configsDir, "app.example.yaml"): renderYAML(),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s differs from the table; go test ./internal/config -update (-want +got):\n%s", path, diff)
		}
	}
}

func TestExampleHoldsEveryDefault(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(filepath.Join(configsDir, "app.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		_, name, inSection := strings.Cut(k.Name, ".")
		line := "\n  " + name + ":"
		if !inSection {
			line = "\n" + k.Name + ":"
		}
		if !k.ReadOnly && k.Name != "config" && !strings.Contains(string(data), line) {
			t.Errorf("%s is missing", k.Name)
		}
	}
	for _, environ := range [][]string{nil, {"APP_ENVIRONMENT=production"}} {
		want := load(t, Source{Environ: environ}).Describe()
		got := load(t, Source{Environ: environ, Flags: map[string]string{"config": path}}).Describe()
		for i := range want {
			if want[i].Name == "config" {
				continue
			}
			wantKey := new(Config).table()[i]
			if want[i].Value != "" {
				if err := wantKey.bind.set(want[i].Value); err != nil {
					t.Fatal(err)
				}
			}
			if got[i].Value != want[i].Value && got[i].Value != wantKey.bind.show() {
				t.Errorf("%s is %q in the example, and %q by default", want[i].Name, got[i].Value, want[i].Value)
			}
		}
	}
}

func TestLocalConfigLoads(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(filepath.Join(configsDir, "local.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, Source{Flags: map[string]string{"config": path}})
	if c.IsProduction() || c.UsesBucket() || c.UsesRedis() || c.Database().Engine != SQLite || c.Log.Level != "debug" {
		t.Errorf("the local file is not for a developer's machine: %+v", c)
	}
}

func TestRenderExampleLoads(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(configsDir, "render.env.example"))
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, Source{
		Dir:     folder(t, map[string]string{"render.env": string(data)}),
		Environ: []string{"RENDER=true", "PORT=10000", "RENDER_EXTERNAL_URL=https://x.onrender.com"},
		Needs:   []Need{NeedMasterKey, NeedDatabase, NeedBucket},
	})
	if !c.IsProduction() || !c.UsesBucket() || !c.UsesRedis() || c.Database().Engine != PostgreSQL || c.MailDriver() == MailNone {
		t.Errorf("the example leaves something out that production uses: %+v", c)
	}
	assignments, _ := parseEnvFile(data)
	known := map[string]bool{}
	for _, k := range Keys() {
		for _, name := range append([]string{k.Variable}, k.Aliases...) {
			known[name] = true
		}
	}
	for _, a := range assignments {
		if !known[a.name] {
			t.Errorf("line %d sets %s, which is no setting", a.line, a.name)
		}
	}
}

// TestDocsNameWhatProductionNeeds: a start with what the documents ask for is
// not refused for something that they do not name.
func TestDocsNameWhatProductionNeeds(t *testing.T) {
	t.Parallel()
	needs := problems(t, Source{Environ: []string{"APP_ENVIRONMENT=production"}, Needs: []Need{NeedMasterKey, NeedDatabase, NeedBucket, NeedPublicURL}})
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, intro, _ := strings.Cut(docsIntro, "## In production\n\n")
	_, start, _ := strings.Cut(string(operations), "**In production**")
	start, _, _ = strings.Cut(start, "\n\n")
	for place, text := range map[string]string{docsFile: intro, "docs/operations.md": start} {
		for _, need := range needs {
			if !strings.Contains(text, "`"+need.Name+"`") {
				t.Errorf("%s does not name %s: %s", place, need.Name, text)
			}
		}
	}
}
