package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// layer is one source of variables, by name.
type layer map[string]setting

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func environLayer(environ []string) layer {
	found := layer{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			found[name] = setting{name: name, value: value, kind: fromEnv}
		}
	}
	return found
}

// readYAML reads the file that --config or APP_CONFIG names.
func (l *loader) readYAML() {
	chosen := l.env["APP_CONFIG"]
	if path, ok := l.source.Flags["config"]; ok {
		chosen = setting{name: "--config", value: path, kind: fromFlag}
	}
	if chosen.value == "" {
		return
	}
	data, err := l.read(chosen.value)
	if err != nil {
		l.problem(Problem{Name: chosen.name, Value: chosen.value, Reason: cause(err)})
		return
	}
	l.merged.SetConfigType("yaml")
	if err := l.merged.ReadConfig(bytes.NewReader(data)); err != nil {
		l.problem(Problem{Name: chosen.name, Value: chosen.value, Reason: strings.Join(strings.Fields(err.Error()), " ")})
		return
	}
	l.noteYAML(chosen.value)
}

// noteYAML records which keys the YAML file gave, and reports those that do not exist.
func (l *loader) noteYAML(path string) {
	known := map[string]bool{}
	var names []string
	for i := range l.keys {
		if k := &l.keys[i]; !k.readOnly && k.name != "config" {
			known[k.name] = true
			names = append(names, k.name)
		}
	}
	given := l.merged.AllKeys()
	slices.Sort(given)
	for _, name := range given {
		raw := l.merged.Get(name)
		if known[name] {
			if raw != nil {
				l.settings[name] = setting{name: name, value: fmt.Sprint(raw), kind: fromYAML, place: path}
			}
			continue
		}
		// A section whose keys are all commented out is a key without a value.
		if raw == nil && slices.ContainsFunc(names, func(key string) bool { return strings.HasPrefix(key, name+".") }) {
			continue
		}
		l.problem(Problem{Name: name, Origin: path, Reason: "there is no such key in the YAML file", Suggest: nearest(name, names)})
	}
}

// asText turns a merged value into the text that a binding reads. Only YAML gives anything but text.
func asText(kind Kind, raw any) (string, error) {
	numeric := kind == KindInteger || kind == KindSize || kind == KindDuration
	switch value := raw.(type) {
	case nil:
		return "", nil
	case string:
		return value, nil
	case bool:
		if kind == KindBool {
			return strconv.FormatBool(value), nil
		}
	case int, int64, uint64:
		if numeric {
			return fmt.Sprint(value), nil
		}
	case float64:
		if numeric {
			return strconv.FormatFloat(value, 'f', -1, 64), nil
		}
	case []any:
		if kind == KindList {
			return joinTexts(value)
		}
	}
	// A number that was meant as text has lost its leading zeros and last digits by now.
	return "", errors.New("YAML does not read it as text: write it in quotes")
}

func joinTexts(values []any) (string, error) {
	texts := make([]string, len(values))
	for i, value := range values {
		text, ok := value.(string)
		if !ok {
			return "", errors.New("every item of the list must be text: write it in quotes")
		}
		texts[i] = text
	}
	return strings.Join(texts, ","), nil
}

// readEnvFile applies the env file of the environment, the first that is there.
func (l *loader) readEnvFile(environment Environment) {
	candidates := map[Environment][]string{Production: {"render.env"}, Local: {"local.env", "sendgrid.env"}}
	for _, name := range candidates[environment] {
		data, err := l.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.problem(Problem{Name: name, Reason: cause(err)})
			return
		}
		l.apply(l.fileLayer(name, data, environment))
		return
	}
}

func (l *loader) fileLayer(file string, data []byte, environment Environment) layer {
	assignments, bad := parseEnvFile(data)
	for _, line := range bad {
		l.problem(Problem{Name: file + ":" + strconv.Itoa(line.line), Reason: line.reason.Error()})
	}
	found := layer{}
	for _, a := range assignments {
		place := file + ":" + strconv.Itoa(a.line)
		found[a.name] = setting{name: a.name, value: a.value, kind: fromFile, place: place}
	}
	for _, name := range []string{"APP_ENVIRONMENT", "APP_CONFIG"} {
		given := found[name]
		delete(found, name)
		if given.value == "" || name == "APP_ENVIRONMENT" && given.value == string(environment) {
			continue
		}
		l.problem(Problem{Name: name, Origin: given.place, Value: given.value, Reason: "it comes too late in an env file: set it in the environment or by a flag"})
	}
	return found
}

// apply sets the keys that a layer of variables gives, and reports its unknown APP_ names. Other unknown names are
// somebody else's.
func (l *loader) apply(given layer) {
	known, names := map[string]bool{}, []string{}
	for i := range l.keys {
		k := &l.keys[i]
		if k.readOnly {
			continue
		}
		for _, variable := range k.variables() {
			names = append(names, variable.name)
			if k.secret() {
				names = append(names, variable.name+fileSuffix)
			}
		}
		if s, ok := l.pick(k, given); ok {
			l.set(k.name, s)
		}
	}
	for _, name := range names {
		known[name] = true
	}
	for _, name := range sortedKeys(given) {
		s := given[name]
		switch {
		case strings.HasPrefix(name, "OTEL_") && s.value != "":
			l.setOTel(s)
		case strings.HasPrefix(name, variablePrefix) && !known[name]:
			l.problem(Problem{Name: name, Origin: s.place, Reason: "there is no such variable", Suggest: nearest(name, names)})
		}
	}
}

// pick finds the strongest variable of a layer that gives the key: the APP_ name before the others.
func (l *loader) pick(k *key, given layer) (setting, bool) {
	for _, variable := range k.variables() {
		direct, file := given[variable.name], given[variable.name+fileSuffix]
		if !k.secret() {
			file = setting{}
		}
		switch {
		case direct.value != "" && file.value != "":
			l.refused[k.name] = true
			l.problem(Problem{Name: direct.name, Origin: direct.place, Reason: "it is set, and " + file.name + " is too: keep one of them"})
			return setting{}, false
		case file.value != "":
			return l.readSecret(k, file)
		case direct.value != "" && variable.convert != nil:
			value, err := variable.convert(strings.TrimSpace(direct.value), l.platform)
			if err != nil {
				l.refused[k.name] = true
				l.problem(Problem{Name: direct.name, Origin: direct.place, Value: direct.value, Reason: err.Error()})
				return setting{}, false
			}
			direct.value = value
			return direct, true
		case direct.value != "":
			return direct, true
		}
	}
	return setting{}, false
}

// readSecret replaces a setting that names a file by what the file holds, without the line end after it.
func (l *loader) readSecret(k *key, file setting) (setting, bool) {
	data, err := l.read(file.value)
	reason := "the file is empty"
	if err != nil {
		reason = cause(err)
	}
	value := strings.Trim(string(data), "\r\n")
	if value == "" {
		l.refused[k.name] = true
		l.problem(Problem{Name: file.name, Origin: file.place, Value: file.value, Reason: reason})
		return setting{}, false
	}
	file.value = value
	return file, true
}

func (l *loader) setOTel(s setting) {
	if l.config.OTel == nil {
		l.config.OTel = map[string]Secret{}
	}
	l.config.OTel[s.name] = NewSecret(s.value)
	l.settings[s.name] = s
}

// applyFacts sets what the platform says of itself, from the process's environment alone: an env file that was
// copied elsewhere must not make a program believe that it runs on the platform.
func (l *loader) applyFacts() {
	for i := range l.keys {
		if k := &l.keys[i]; k.readOnly {
			if s := l.env[k.variable()]; s.value != "" {
				l.set(k.name, s)
			}
		}
	}
}
