package config

import "strings"

// variablePrefix is what the variable of every key begins with.
const variablePrefix = "APP_"

// fileSuffix makes, for a secret, the variable that names a file with its value.
const fileSuffix = "_FILE"

// Kind says how the value of a key is written.
type Kind string

// The kinds.
const (
	KindText     Kind = "text"
	KindSecret   Kind = "secret"
	KindChoice   Kind = "choice"
	KindBool     Kind = "bool"
	KindInteger  Kind = "integer"
	KindSize     Kind = "size"
	KindDuration Kind = "duration"
	KindList     Kind = "list"
)

// Key describes one setting.
type Key struct {
	Name         string   `json:"key"`               // http.max_streams
	Variable     string   `json:"variable"`          // APP_HTTP_MAX_STREAMS
	Aliases      []string `json:"aliases,omitempty"` // variables without the prefix, the first wins
	Flag         string   `json:"flag,omitempty"`    // http.max-streams, without dashes; empty: none
	Kind         Kind     `json:"kind"`
	Unit         string   `json:"unit,omitempty"`
	Default      string   `json:"default"`
	DefaultLocal string   `json:"default_local,omitempty"` // where the local environment has another one
	Allowed      string   `json:"allowed,omitempty"`
	ReadOnly     bool     `json:"read_only,omitempty"` // a fact of the platform: no flag, no YAML, no APP_ variable
	Doc          string   `json:"doc"`
}

// Entry is a key with its value in a Config.
type Entry struct {
	Key
	Value  string `json:"value"`  // [redacted] for a secret that is set
	Origin string `json:"origin"` // "default", "env APP_X", "file render.env:3", "flag --x", "yaml app.yaml"
}

// Keys returns every key, in the order of the documentation.
func Keys() []Key {
	bound := new(Config).table()
	keys := make([]Key, len(bound))
	for i, k := range bound {
		keys[i] = k.describe()
	}
	return keys
}

// NearestFlag returns the flag, without dashes, whose name is nearest to one that does not exist, or nothing when
// all are far off.
func NearestFlag(unknown string) string {
	var flags []string
	for _, k := range new(Config).table() {
		if !k.readOnly {
			flags = append(flags, k.flag())
		}
	}
	return nearest(strings.TrimLeft(unknown, "-"), flags)
}

// Describe returns every key with its value and where the value came from, in the order of the documentation, and
// after them the OTEL_* names that were given. Secrets are redacted.
func (c *Config) Describe() []Entry {
	return append([]Entry(nil), c.entries...)
}

// key is a row of the table: what is known of a setting, and its binding to a field of one Config.
type key struct {
	name     string
	aliases  []alias
	unit     string
	def      string
	defLocal string // the default of the local environment, when it is another one
	doc      string
	readOnly bool // the only variable is the first alias
	bind     binding
}

// alias is a variable without the prefix.
type alias struct {
	name string
	// convert turns its value into one of the key; nil: they are the same.
	convert func(value string, onPlatform bool) (string, error)
}

func named(names ...string) []alias {
	aliases := make([]alias, len(names))
	for i, name := range names {
		aliases[i].name = name
	}
	return aliases
}

func (k *key) variable() string {
	if k.readOnly {
		return k.aliases[0].name
	}
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

func (k *key) flag() string {
	if k.readOnly {
		return ""
	}
	return strings.ReplaceAll(k.name, "_", "-")
}

// variables returns the names that set the key, the strongest first.
func (k *key) variables() []alias {
	if k.readOnly {
		return k.aliases
	}
	return append([]alias{{name: k.variable()}}, k.aliases...)
}

// usual returns the name that a user would most likely set the key by.
func (k *key) usual() string {
	if len(k.aliases) > 0 {
		return k.aliases[0].name
	}
	return k.variable()
}

// secret reports whether the value is kept from sight and may come from a file.
func (k *key) secret() bool { return k.bind.kind == KindSecret }

func (k *key) defaultIn(environment Environment) string {
	if environment == Local && k.defLocal != "" {
		return k.defLocal
	}
	return k.def
}

func (k *key) describe() Key {
	described := Key{
		Name: k.name, Variable: k.variable(), Flag: k.flag(), Kind: k.bind.kind, Unit: k.unit, Default: k.def,
		DefaultLocal: k.defLocal, Allowed: k.bind.allowed, ReadOnly: k.readOnly, Doc: k.doc,
	}
	if !k.readOnly {
		for _, other := range k.aliases {
			described.Aliases = append(described.Aliases, other.name)
		}
	}
	return described
}
