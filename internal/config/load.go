package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/viper"
)

// maxFile bounds every file that is read here: YAML, env and secret files.
const maxFile = 1 << 20

// Source is where the configuration comes from. The zero value gives the defaults of the local environment, if the
// current folder holds no env file.
type Source struct {
	// Flags holds the flags that were given, by their name without dashes (http.max-streams). An empty value
	// clears a key that is empty by default.
	Flags map[string]string
	// Environ holds NAME=value as os.Environ gives it. An empty value counts as not given.
	Environ []string
	// Dir is the folder of the env files, and what relative paths of configuration files start from. Empty: the
	// current one.
	Dir string
	// Needs says what the caller cannot do without in production.
	Needs []Need
	// Checks look at a value more closely, by key, where the rules belong to another package. Their errors must
	// not repeat a secret. They are not called for an empty value.
	Checks map[string]func(value string) error
}

// loader is one run of Load.
type loader struct {
	source   Source
	config   *Config
	keys     []key
	merged   *viper.Viper       // the values, the strongest source's last
	settings map[string]setting // by key: what gave it its value; none: the default
	env      layer
	platform bool            // whether a platform routes to this process, so that PORT is for all interfaces
	refused  map[string]bool // keys that have a problem already
	problems Problems
}

// setting is one value as a source gave it.
type setting struct {
	name  string // as the user wrote it
	value string
	kind  sourceKind
	place string // for files: which, and where known the line
}

// sourceKind is a kind of source, in the word that an origin begins with.
type sourceKind string

const (
	fromYAML sourceKind = "yaml"
	fromFile sourceKind = "file"
	fromEnv  sourceKind = "env"
	fromFlag sourceKind = "flag"
)

func (s setting) origin() string {
	if s.place != "" {
		return string(s.kind) + " " + s.place
	}
	return string(s.kind) + " " + s.name
}

// Load reads the configuration. Its error is Problems, with everything that is wrong.
func Load(source Source) (*Config, error) {
	l := &loader{
		source: source, config: &Config{}, merged: viper.New(),
		settings: map[string]setting{}, refused: map[string]bool{}, env: environLayer(source.Environ),
	}
	l.keys = l.config.table()
	l.readYAML()
	environment := l.chooseEnvironment()
	for i := range l.keys {
		l.merged.SetDefault(l.keys[i].name, l.keys[i].defaultIn(environment))
	}
	l.readEnvFile(environment)
	l.apply(l.env)
	l.applyFacts()
	l.applyFlags()
	l.bind()
	l.crossCheck()
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	l.config.entries, l.config.given = l.describe(), l.namesGiven()
	return l.config, nil
}

// chooseEnvironment looks for the environment before everything else is merged, since the env file and some
// defaults depend on it. It reports nothing: bind does, when the value is no environment.
func (l *loader) chooseEnvironment() Environment {
	chosen := l.merged.GetString("environment")
	if value := l.env["APP_ENVIRONMENT"].value; value != "" {
		chosen = value
	}
	if value := l.source.Flags["environment"]; value != "" {
		chosen = value
	}
	onRender := l.env["RENDER"].value != ""
	environment := Environment(strings.TrimSpace(chosen))
	switch {
	case environment == "" && onRender:
		environment = Production
		l.set("environment", setting{name: "RENDER", value: string(environment), kind: fromEnv})
	case environment == "":
		environment = Local
	}
	l.platform = onRender || environment == Production
	return environment
}

// set gives a key a value that is stronger than what it had.
func (l *loader) set(name string, s setting) {
	l.merged.Set(name, s.value)
	l.settings[name] = s
}

func (l *loader) applyFlags() {
	byFlag, flags := map[string]*key{}, []string{}
	for i := range l.keys {
		if k := &l.keys[i]; !k.readOnly {
			byFlag[k.flag()] = k
			flags = append(flags, "--"+k.flag())
		}
	}
	for _, flag := range sortedKeys(l.source.Flags) {
		name := "--" + flag
		if k := byFlag[flag]; k != nil {
			l.set(k.name, setting{name: name, value: l.source.Flags[flag], kind: fromFlag})
			continue
		}
		l.problem(Problem{Name: name, Reason: "there is no such flag", Suggest: nearest(name, flags)})
	}
}

// bind puts the merged values into the tree.
func (l *loader) bind() {
	for i := range l.keys {
		k := &l.keys[i]
		given, isGiven := l.settings[k.name]
		value, err := asText(k.bind.kind, l.merged.Get(k.name))
		value = trimValue(k, value)
		if err == nil && value == "" {
			if k.def == "" {
				continue
			}
			if given.kind == fromYAML {
				delete(l.settings, k.name)
				isGiven, value = false, k.defaultIn(l.config.Environment)
			} else {
				err = errors.New("it is empty")
			}
		}
		if err == nil {
			err = l.bindOne(k, value)
		}
		if err != nil && isGiven {
			l.refuse(k, given, err)
		}
	}
}

func (l *loader) bindOne(k *key, value string) error {
	if err := k.bind.set(value); err != nil {
		return err
	}
	if check := l.source.Checks[k.name]; check != nil {
		return check(value)
	}
	return nil
}

// trimValue drops the blanks around a value; of a secret only line ends, since a blank can belong to a password.
func trimValue(k *key, value string) string {
	if k.secret() {
		return strings.Trim(value, "\r\n")
	}
	return strings.TrimSpace(value)
}

// refuse reports a value that its key does not take.
func (l *loader) refuse(k *key, given setting, err error) {
	l.refused[k.name] = true
	value := given.value
	if k.secret() && value != "" {
		value = redacted
	}
	const longest = 200
	if len(value) > longest {
		value = value[:longest] + "…"
	}
	l.problem(Problem{Name: given.name, Origin: given.place, Value: value, Reason: err.Error(), Allowed: k.bind.allowed})
}

func (l *loader) problem(p Problem) { l.problems = append(l.problems, p) }

// namesGiven are the names by which keys were given a value, without the values.
func (l *loader) namesGiven() map[string]string {
	names := map[string]string{}
	for key, s := range l.settings {
		names[key] = s.name
		if s.place != "" {
			names[key] += " (" + s.place + ")"
		}
	}
	return names
}

// describe lists what was loaded.
func (l *loader) describe() []Entry {
	var entries []Entry
	for i := range l.keys {
		k := &l.keys[i]
		entry := Entry{Key: k.describe(), Value: k.defaultIn(l.config.Environment), Origin: "default"}
		if given, ok := l.settings[k.name]; ok {
			entry.Value, entry.Origin = k.bind.show(), given.origin()
		}
		entries = append(entries, entry)
	}
	for _, name := range sortedKeys(l.config.OTel) {
		entries = append(entries, Entry{
			Key:   Key{Name: name, Variable: name, Kind: KindSecret, Doc: "Read by OpenTelemetry."},
			Value: l.config.OTel[name].String(), Origin: l.settings[name].origin(),
		})
	}
	return entries
}

// read reads a file of the configuration, relative to the source's folder.
func (l *loader) read(path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.source.Dir, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errors.New("the file is longer than 1 MiB")
	}
	return data, nil
}

// cause is an error of read without the path, which the problem names already.
func cause(err error) string {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		err = pathError.Err
	}
	return "the file cannot be read: " + err.Error()
}
