package ship_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/lenzeye/lenzeye/internal/config"
)

// The fields of render.yaml that this project uses, as
// https://render.com/docs/blueprint-spec names them. Any other word is refused.
type (
	blueprint struct {
		Services  []service  `yaml:"services"`
		Databases []database `yaml:"databases"`
	}
	service struct {
		Type                    string     `yaml:"type"`
		Name                    string     `yaml:"name"`
		Runtime                 string     `yaml:"runtime"`
		DockerfilePath          string     `yaml:"dockerfilePath"`
		DockerCommand           string     `yaml:"dockerCommand"`
		PreDeployCommand        string     `yaml:"preDeployCommand"`
		Region                  string     `yaml:"region"`
		Plan                    string     `yaml:"plan"`
		NumInstances            int        `yaml:"numInstances"`
		HealthCheckPath         string     `yaml:"healthCheckPath"`
		MaxShutdownDelaySeconds int        `yaml:"maxShutdownDelaySeconds"`
		AutoDeployTrigger       string     `yaml:"autoDeployTrigger"`
		MaxmemoryPolicy         string     `yaml:"maxmemoryPolicy"`
		IPAllowList             *[]string  `yaml:"ipAllowList"`
		EnvVars                 []variable `yaml:"envVars"`
	}
	database struct {
		Name                 string    `yaml:"name"`
		Plan                 string    `yaml:"plan"`
		Region               string    `yaml:"region"`
		PostgresMajorVersion string    `yaml:"postgresMajorVersion"`
		DatabaseName         string    `yaml:"databaseName"`
		User                 string    `yaml:"user"`
		IPAllowList          *[]string `yaml:"ipAllowList"`
	}
	variable struct {
		Key          string    `yaml:"key"`
		Value        string    `yaml:"value,omitempty"`
		Sync         *bool     `yaml:"sync,omitempty"`
		FromDatabase reference `yaml:"fromDatabase,omitempty"`
		FromService  reference `yaml:"fromService,omitempty"`
	}
	reference struct {
		Name      string `yaml:"name"`
		Type      string `yaml:"type,omitempty"`
		Property  string `yaml:"property,omitempty"`
		EnvVarKey string `yaml:"envVarKey,omitempty"`
	}
)

func readBlueprint(t *testing.T) blueprint {
	t.Helper()
	text, err := os.ReadFile("../../render.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b blueprint
	read := yaml.NewDecoder(bytes.NewReader(text))
	read.KnownFields(true)
	if err := read.Decode(&b); err != nil {
		t.Fatalf("render.yaml: %v", err)
	}
	return b
}

// TestBlueprintFields holds every field but the variables to what is wanted.
func TestBlueprintFields(t *testing.T) {
	t.Parallel()
	got := readBlueprint(t)
	for i := range got.Services {
		got.Services[i].EnvVars = nil
	}
	const region, migrate = "singapore", "app migrate up"
	inside := &[]string{}
	want := blueprint{
		Services: []service{
			{
				Type: "web", Name: "lenzeye", Runtime: "docker", DockerfilePath: "./Dockerfile", DockerCommand: "app serve",
				PreDeployCommand: migrate, Region: region, Plan: "starter", NumInstances: 1, HealthCheckPath: "/readyz",
				MaxShutdownDelaySeconds: 90, AutoDeployTrigger: "checksPass",
			},
			{
				Type: "worker", Name: "lenzeye-worker", Runtime: "docker", DockerfilePath: "./Dockerfile", DockerCommand: "app worker",
				PreDeployCommand: migrate, Region: region, Plan: "starter", NumInstances: 1,
				MaxShutdownDelaySeconds: 90, AutoDeployTrigger: "checksPass",
			},
			{Type: "keyvalue", Name: "lenzeye-queue", Region: region, Plan: "starter", MaxmemoryPolicy: "noeviction", IPAllowList: inside},
		},
		Databases: []database{{
			Name: "lenzeye-db", Plan: "basic-256mb", Region: region, PostgresMajorVersion: "17",
			DatabaseName: "lenzeye", User: "lenzeye", IPAllowList: inside,
		}},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("render.yaml (-want +got):\n%s", diff)
	}
}

// TestBlueprintGivesTimeToDrain: serve lets parts finish, then its queue, each
// within http.drain_timeout; Render allows 1 to 300 s.
func TestBlueprintGivesTimeToDrain(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Source{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range readBlueprint(t).Services {
		delay := time.Duration(s.MaxShutdownDelaySeconds) * time.Second
		if s.Runtime != "" && (delay <= c.HTTP.DrainDelay+2*c.HTTP.DrainTimeout || delay > 300*time.Second) {
			t.Errorf("%s has %s to end, and drains for up to %s", s.Name, delay, 2*c.HTTP.DrainTimeout)
		}
	}
}

// TestBlueprintConfiguresTheProgram starts the configuration of each service as
// Render would, with what a person is asked for filled in.
func TestBlueprintConfiguresTheProgram(t *testing.T) {
	t.Parallel()
	b := readBlueprint(t)
	web := map[string]string{"RENDER_EXTERNAL_URL": "https://lenzeye.onrender.com"}
	for _, s := range b.Services {
		if s.Runtime == "" {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			environ := []string{"RENDER=true"}
			if s.Type == "web" {
				environ = append(environ, "PORT=10000", "RENDER_EXTERNAL_URL="+web["RENDER_EXTERNAL_URL"])
			}
			for _, v := range s.EnvVars {
				if !isSetting(v.Key) {
					t.Errorf("%s is no setting", v.Key)
				}
				value := b.resolve(t, v, web)
				if s.Type == "web" {
					web[v.Key] = value
				}
				environ = append(environ, v.Key+"="+value)
			}
			c, err := config.Load(config.Source{
				Environ: environ, Dir: t.TempDir(),
				Needs: []config.Need{config.NeedMasterKey, config.NeedDatabase, config.NeedBucket},
			})
			if err != nil {
				t.Fatal(err)
			}
			if !c.IsProduction() || !c.UsesBucket() || !c.UsesRedis() || c.Database().Engine != config.PostgreSQL ||
				c.MailDriver() != config.MailBrevo || c.S3Endpoint() != "https://s3.ap-southeast-1.wasabisys.com" {
				t.Errorf("the service lacks something: %+v", c)
			}
			if got := c.PublicURL("0.0.0.0:10000"); got != web["RENDER_EXTERNAL_URL"] {
				t.Errorf("links begin with %s", got)
			}
			if s.Type == "web" && (c.ListenAddr() != "0.0.0.0:10000" || len(c.HTTP.TrustedProxies) == 0) {
				t.Errorf("it listens on %s and trusts %v", c.ListenAddr(), c.HTTP.TrustedProxies)
			}
		})
	}
}

// resolve gives a variable's value as Render would find it. Secrets are asked
// for and never written down.
func (b blueprint) resolve(t *testing.T, v variable, web map[string]string) string {
	t.Helper()
	switch from := cmp.Or(v.FromDatabase, v.FromService); {
	case v.FromDatabase.Name != "":
		if !slices.ContainsFunc(b.Databases, func(d database) bool { return d.Name == from.Name }) || from.Property != "connectionString" {
			t.Errorf("%s: there is no database %+v", v.Key, from)
		}
		return "postgresql://lenzeye:password@dpg-example-a/lenzeye"
	case v.FromService.Name != "":
		if !slices.ContainsFunc(b.Services, func(s service) bool { return s.Name == from.Name && s.Type == from.Type }) {
			t.Errorf("%s: there is no service %+v", v.Key, from)
		}
		if from.Property == "connectionString" {
			return "redis://red-example:6379"
		}
		if web[from.EnvVarKey] == "" {
			t.Errorf("%s: the web service has no %s", v.Key, from.EnvVarKey)
		}
		return web[from.EnvVarKey]
	case v.Sync != nil && !*v.Sync:
		return asked(t, v.Key)
	}
	if v.Value == "" || config.NewSecret(v.Value).IsSet() && isSecret(v.Key) {
		t.Errorf("%s is written down as %q", v.Key, v.Value)
	}
	return v.Value
}

// asked is what a person types for a variable that Render asks for.
func asked(t *testing.T, name string) string {
	t.Helper()
	values := map[string]string{
		"MASTER_KEYS": "1:" + strings.Repeat("ab", 32), "WASABI_BUCKET_NAME": "studio-files",
		"WASABI_ACCESS_KEY": "key", "WASABI_SECRET_KEY": "secret",
		"SENDER_EMAIL": "files@studio.example", "ADMIN_EMAIL": "admin@studio.example", "APP_MAIL_BREVO_API_KEY": "key", "APP_MAIL_WEBHOOK_SECRET": "a-secret-of-twenty-or-more",
	}
	if values[name] == "" {
		t.Errorf("Render asks for %s, which docs/deploy-render.md does not know", name)
	}
	page, err := os.ReadFile("../../docs/deploy-render.md")
	if err != nil || !bytes.Contains(page, fmt.Appendf(nil, "| `%s` |", name)) {
		t.Errorf("docs/deploy-render.md does not say what to type for %s: %v", name, err)
	}
	return values[name]
}

func isSetting(name string) bool { return settingOf(name).Name != "" }
func isSecret(name string) bool  { return settingOf(name).Kind == config.KindSecret }

func settingOf(name string) config.Key {
	for _, k := range config.Keys() {
		if k.Variable == name || slices.Contains(k.Aliases, name) {
			return k
		}
	}
	return config.Key{}
}
