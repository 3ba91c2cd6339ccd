package client

import (
	"errors"
	"iter"
	"net/url"

	"github.com/lenzeye/lenzeye/internal/api"
)

// pages walks a list page by page. page gets the query of the next one.
func pages[T any](page func(query string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		query := "?limit=1000"
		for {
			items, next, err := page(query)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			query = "?limit=1000&cursor=" + url.QueryEscape(*next)
		}
	}
}

func problemOf(err error) (*api.Problem, bool) {
	var p *api.Problem
	ok := errors.As(err, &p)
	return p, ok
}
