package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestFirstAddressLetsTheStudioBegin does what a person does who starts the
// program for the first time, and sees that nobody without the terminal can.
func TestFirstAddressLetsTheStudioBegin(t *testing.T) {
	t.Parallel()
	s := newSolo(t)
	place, fragment, found := strings.Cut(s.begin, "#")
	if !found || place != s.base+"/signin?next=/welcome" {
		t.Fatalf("the address to begin is %q", s.begin)
	}
	login, code, _ := strings.Cut(fragment, ".")
	slug := s.link[strings.LastIndex(s.link, "/")+1:]
	for _, path := range []string{"/", "/signin?next=/welcome", "/welcome"} {
		for _, host := range []string{"", "files.example.com"} { // what DNS rebinding would bring about
			page := s.asks("GET", path, "", "", "X-Forwarded-Host", host, "X-Forwarded-For", "127.0.0.1")
			if text := string(page.body); page.StatusCode != 200 || strings.Contains(text, slug) || strings.Contains(text, code) || strings.Contains(text, "studio@example.com") {
				t.Errorf("%s shows a stranger: %d %s", path, page.StatusCode, text)
			}
		}
	}
	if strings.Contains(s.log.String(), code) {
		t.Error("the code is in the log")
	}
	body := fmt.Sprintf(`{"login_id": %q, "code": %q}`, login, code)
	in := s.asks("POST", "/api/v1/login/verify", "", body)
	if in.StatusCode != 200 || len(in.Cookies()) != 1 {
		t.Fatalf("sign in: %d %s", in.StatusCode, in.body)
	}
	if again := s.asks("POST", "/api/v1/login/verify", "", body); again.StatusCode != 401 {
		t.Errorf("the address works again: %d", again.StatusCode)
	}
	c := in.Cookies()[0]
	page := string(s.asks("GET", "/welcome", "", "", "Cookie", c.Name+"="+c.Value).body)
	for _, want := range []string{s.link, "qr.svg", "master.keys", "works on this machine only", "My studio", "studio@example.com"} {
		if !strings.Contains(page, want) {
			t.Errorf("the first page does not show %s: %s", want, page)
		}
	}
}
