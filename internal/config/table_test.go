package config

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sample is a value that the key takes and that is not the zero value of its field.
func sample(k *key) string {
	samples := map[string]string{
		"environment": "local", "log.level": "warn", "log.format": "json", "mail.driver": "file",
		"http.addr": "h:1", "http.metrics_addr": "h:1", "http.public_url": "http://h", "http.trusted_proxies": "::1", "http.cors_origins": "*",
		"db.url": "postgres://h/d", "db.internal_url": "postgres://h/d", "redis.url": "redis://h", "mail.smtp_url": "smtp://h",
		"mail.sender": "a@b.c", "mail.admin_email": "a@b.c", "mail.webhook_secret": "a-secret-of-twenty-or-more", "s3.endpoint": "http://h", "worker.queues": "low=1",
		"mail.sendgrid_webhook_key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPKvENhsyYwoRjxAy8OeFXrpT65jO+pJ7EUSgzfj0HHVjcgpmrpoDK0igDrcUvBXHAkul6xI8uaGmCYSJgMfXfg==",
	}
	if value, ok := samples[k.name]; ok {
		return value
	}
	switch k.bind.kind {
	case KindBool:
		return "true"
	case KindInteger:
		return "9"
	case KindSize:
		return "2KiB"
	case KindDuration:
		return "7s"
	default:
		return "xyz"
	}
}

// leaves returns every field of the tree that holds a value, by its path.
func leaves(v reflect.Value, path string, found map[string]reflect.Value) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if !v.Type().Field(i).IsExported() || name == "OTel" {
			continue
		}
		if field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[Secret]() {
			leaves(field, path+name+".", found)
			continue
		}
		found[path+name] = field
	}
}

func TestEveryFieldHasOneKey(t *testing.T) {
	t.Parallel()
	c := new(Config)
	fields, set := map[string]reflect.Value{}, map[string]string{}
	leaves(reflect.ValueOf(c).Elem(), "", fields)
	for _, k := range c.table() {
		before := len(set)
		if err := k.bind.set(sample(&k)); err != nil {
			t.Errorf("%s does not take its sample %q: %v", k.name, sample(&k), err)
		}
		for path, field := range fields {
			if !field.IsZero() && set[path] == "" {
				set[path] = k.name
			}
		}
		if len(set) != before+1 {
			t.Errorf("%s set %d fields, want one that no other key sets", k.name, len(set)-before)
		}
	}
	for path := range fields {
		if set[path] == "" {
			t.Errorf("no key sets the field %s", path)
		}
	}
}

func TestEveryKeyIsWellFormed(t *testing.T) {
	t.Parallel()
	taken := map[string]string{}
	for _, k := range Keys() {
		if !regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*(\.[a-z0-9]+(_[a-z0-9]+)*)?$`).MatchString(k.Name) {
			t.Errorf("the name %q is not a.b_c", k.Name)
		}
		for _, variable := range append([]string{k.Variable}, k.Aliases...) {
			if other := taken[variable]; other != "" {
				t.Errorf("%s and %s share the variable %s", other, k.Name, variable)
			}
			taken[variable] = k.Name
		}
		if !k.ReadOnly {
			if want := "APP_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_")); k.Variable != want {
				t.Errorf("%s has the variable %s, want %s", k.Name, k.Variable, want)
			}
			if want := strings.ReplaceAll(k.Name, "_", "-"); k.Flag != want {
				t.Errorf("%s has the flag %s, want %s", k.Name, k.Flag, want)
			}
		}
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") || strings.ContainsAny(k.Doc, "|\n") {
			t.Errorf("the text of %s is not sentences for a table: %q", k.Name, k.Doc)
		}
		if (k.Kind == KindInteger || k.Kind == KindSize) && k.Unit == "" && k.Name != "mail.brevo_smtp_port" {
			t.Errorf("%s has no unit", k.Name)
		}
	}
}

func TestEveryDefaultIsAllowed(t *testing.T) {
	t.Parallel()
	for _, k := range new(Config).table() {
		for _, value := range []string{k.def, k.defLocal} {
			if value == "" {
				continue
			}
			if err := k.bind.set(value); err != nil {
				t.Errorf("the default %q of %s: %v", value, k.name, err)
			}
			shown := k.bind.show()
			if err := k.bind.set(shown); err != nil || k.bind.show() != shown {
				t.Errorf("%s shows its default %q as %q, which it reads as %q, %v", k.name, value, shown, k.bind.show(), err)
			}
		}
	}
}

func TestEveryRangeIsHeld(t *testing.T) {
	t.Parallel()
	beyond := func(kind Kind, value string, by int64) string {
		switch kind {
		case KindSize:
			size, err := ParseByteSize(value)
			if err != nil {
				t.Fatal(err)
			}
			return (size + ByteSize(by)).String()
		case KindDuration:
			d, err := ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			return (d + time.Duration(by)).String()
		default:
			var n int
			if err := integer(&n, -1<<62, 1<<62).set(value); err != nil {
				t.Fatal(err)
			}
			n += int(by)
			return integer(&n, 0, 0).show()
		}
	}
	ranges := 0
	for _, k := range new(Config).table() {
		lo, hi, isRange := strings.Cut(k.bind.allowed, " to ")
		if kind := k.bind.kind; !isRange || kind != KindInteger && kind != KindSize && kind != KindDuration {
			continue
		}
		ranges++
		for _, value := range []string{lo, hi} {
			if err := k.bind.set(value); err != nil {
				t.Errorf("%s refuses its bound %s: %v", k.name, value, err)
			}
		}
		kept := k.bind.show()
		for _, value := range []string{beyond(k.bind.kind, lo, -1), beyond(k.bind.kind, hi, 1)} {
			if err := k.bind.set(value); err == nil || k.bind.show() != kept {
				t.Errorf("%s takes %s, outside %s", k.name, value, k.bind.allowed)
			}
			if k.bind.kind != KindSize && !errors.Is(k.bind.set(value), errRange) {
				t.Errorf("%s does not say that %s is out of range", k.name, value)
			}
		}
	}
	if ranges < 30 {
		t.Errorf("only %d keys have a range", ranges)
	}
}

func TestSectionsAreTogether(t *testing.T) {
	t.Parallel()
	last, seen := "", map[string]bool{}
	for _, k := range Keys() {
		section, _, inSection := strings.Cut(k.Name, ".")
		if !inSection || section == last {
			continue
		}
		if seen[section] {
			t.Errorf("the keys of %s stand in two places", section)
		}
		last, seen[section] = section, true
	}
}
