package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binding ties a key to a field: how its text is read and checked, and how the value is written.
type binding struct {
	kind    Kind
	allowed string
	set     func(text string) error // never called with an empty text
	show    func() string
}

var errRange = errors.New("it is out of range")

// text binds a string; check may be nil. Its errors must not repeat the value.
func text(p *string, allowed string, check func(string) error) binding {
	return binding{
		kind: KindText, allowed: allowed,
		set: func(value string) error {
			if check != nil {
				if err := check(value); err != nil {
					return err
				}
			}
			*p = value
			return nil
		},
		show: func() string { return *p },
	}
}

func secret(p *Secret, allowed string, check func(string) error) binding {
	return binding{
		kind: KindSecret, allowed: allowed,
		set: func(value string) error {
			if check != nil {
				if err := check(value); err != nil {
					return err
				}
			}
			*p = NewSecret(value)
			return nil
		},
		show: func() string { return p.String() },
	}
}

func oneOf[T ~string](p *T, choices ...T) binding {
	names := make([]string, len(choices))
	for i, choice := range choices {
		names[i] = string(choice)
	}
	return binding{
		kind: KindChoice, allowed: strings.Join(names, ", "),
		set: func(value string) error {
			if !slices.Contains(choices, T(value)) {
				return errors.New("it is none of the choices")
			}
			*p = T(value)
			return nil
		},
		show: func() string { return string(*p) },
	}
}

func boolean(p *bool) binding {
	return binding{
		kind: KindBool, allowed: "true, false",
		set: func(value string) (err error) {
			*p, err = parseBool(value)
			return err
		},
		show: func() string { return strconv.FormatBool(*p) },
	}
}

// presence binds a fact that is true by being there, whatever its value.
func presence(p *bool) binding {
	set := boolean(p)
	set.set = func(string) error {
		*p = true
		return nil
	}
	return set
}

func parseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true", "t", "1", "yes", "y", "on":
		return true, nil
	case "false", "f", "0", "no", "n", "off":
		return false, nil
	}
	return false, errors.New("it is neither true nor false")
}

func integer(p *int, lo, hi int) binding {
	return binding{
		kind: KindInteger, allowed: fmt.Sprintf("%d to %d", lo, hi),
		set: func(value string) error {
			n, err := strconv.Atoi(value)
			if errors.Is(err, strconv.ErrRange) {
				return errRange
			}
			if err != nil {
				return errors.New("it is not a whole number")
			}
			return within(p, n, lo, hi)
		},
		show: func() string { return strconv.Itoa(*p) },
	}
}

func size(p *ByteSize, lo, hi ByteSize) binding {
	return binding{
		kind: KindSize, allowed: fmt.Sprintf("%v to %v", lo, hi),
		set: func(value string) error {
			n, err := ParseByteSize(value)
			if err != nil {
				return err
			}
			return within(p, n, lo, hi)
		},
		show: func() string { return p.String() },
	}
}

func duration(p *time.Duration, lo, hi time.Duration) binding {
	return binding{
		kind: KindDuration, allowed: FormatDuration(lo) + " to " + FormatDuration(hi),
		set: func(value string) error {
			d, err := ParseDuration(value)
			if err != nil {
				return err
			}
			return within(p, d, lo, hi)
		},
		show: func() string { return FormatDuration(*p) },
	}
}

func within[T int | ByteSize | time.Duration](p *T, value, lo, hi T) error {
	if value < lo || value > hi {
		return errRange
	}
	*p = value
	return nil
}

// list binds values with commas or blanks between them.
func list[T any](p *[]T, allowed string, parse func(string) (T, error)) binding {
	return binding{
		kind: KindList, allowed: allowed,
		set: func(value string) error {
			var values []T
			for _, item := range splitList(value) {
				parsed, err := parse(item)
				if err != nil {
					return fmt.Errorf("%q: %w", item, err)
				}
				values = append(values, parsed)
			}
			*p = values
			return nil
		},
		show: func() string {
			shown := make([]string, len(*p))
			for i, item := range *p {
				shown[i] = fmt.Sprint(item)
			}
			return strings.Join(shown, ",")
		},
	}
}

func splitList(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

// weights binds the share of each queue, written critical=6,default=3,low=1.
func weights(p *map[string]int, queues ...string) binding {
	const heaviest = 100
	return binding{
		kind:    KindList,
		allowed: fmt.Sprintf("queue=weight for some of %s, weights 1 to %d", strings.Join(queues, ", "), heaviest),
		set: func(value string) error {
			found := map[string]int{}
			for _, item := range splitList(value) {
				queue, weight, _ := strings.Cut(item, "=")
				n, err := strconv.Atoi(weight)
				if err != nil || n < 1 || n > heaviest || !slices.Contains(queues, queue) || found[queue] != 0 {
					return fmt.Errorf("%q is not a queue with a weight, or there twice", item)
				}
				found[queue] = n
			}
			*p = found
			return nil
		},
		show: func() string {
			var shown []string
			for _, queue := range queues {
				if weight := (*p)[queue]; weight != 0 {
					shown = append(shown, queue+"="+strconv.Itoa(weight))
				}
			}
			return strings.Join(shown, ",")
		},
	}
}
