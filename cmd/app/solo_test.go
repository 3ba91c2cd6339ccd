package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

// solo is one server on SQLite that a test has to itself.
type solo struct {
	t     *testing.T
	base  string // http://127.0.0.1:port
	link  string // of the guests
	token string // of the studio
	begin string // address that signs the studio in
	dir   string
	log   *safeBuffer
	ended chan int
	stop  context.CancelFunc
}

// newSolo starts serve with settings in the form of variables.
func newSolo(t *testing.T, settings ...string) *solo {
	t.Helper()
	s := &solo{t: t, dir: filepath.Join(t.TempDir(), "data"), log: &safeBuffer{}, ended: make(chan int, 1)}
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	env := append([]string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + s.dir, "APP_STORAGE_MIN_FREE=0", "APP_HTTP_ADDR=127.0.0.1:0"}, settings...)
	read, write := io.Pipe()
	go func() {
		s.ended <- run(ctx, []string{"serve"}, env, stdio{in: strings.NewReader(""), out: write, err: s.log})
		_ = write.Close()
	}()
	t.Cleanup(func() {
		stop()
		s.ended <- <-s.ended // whoever waited for it put it back
	})
	s.greeting(read)
	return s
}

// greeting reads where the server is and what it made.
func (s *solo) greeting(read io.Reader) {
	s.t.Helper()
	lines := bufio.NewScanner(read)
	for s.token == "" && lines.Scan() {
		if m := regexp.MustCompile(`^ +(http\S+/signin\S+)$`).FindStringSubmatch(lines.Text()); m != nil {
			s.begin = m[1]
		}
		if m := regexp.MustCompile(`Guests send with this link: +(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			s.link = m[1]
		}
		if m := regexp.MustCompile(`API token of \S+: (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			s.token = m[1]
		}
	}
	if s.token == "" {
		s.t.Fatalf("no greeting; it said:\n%s", s.log)
	}
	s.base = "http://" + hears(s.t, s.log, `address"?[=:]"?([0-9.]+:[0-9]+)`)[1]
	go func() { _, _ = io.Copy(io.Discard, read) }()
}

// exit waits for the end by itself and gives the exit code.
func (s *solo) exit() int {
	code := <-s.ended
	s.ended <- code
	return code
}

// reply is an answer that was read.
type reply struct {
	*http.Response
	body []byte
	took time.Duration
}

// asks sends a request; what follows the body are names and values of headers.
func (s *solo) asks(method, path, token, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.log)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{res, got, time.Since(began)}
}

// upload is a transfer with files that are due.
type upload struct {
	token string
	size  int      // of each file
	parts []string // paths of their first parts
}

func (s *solo) upload(files int) upload {
	s.t.Helper()
	return s.uploadOf(files, 4)
}

func (s *solo) uploadOf(files, size int) upload {
	s.t.Helper()
	started := s.starts()
	var out api.Declared
	s.read(s.declaresOf(started, files, size), &out)
	u := upload{token: started.UploadToken, size: size}
	for _, f := range out.Files {
		u.parts = append(u.parts, "/api/v1/files/"+f.File.ID+"/parts/1")
	}
	return u
}

func (s *solo) starts() (started api.Started) {
	s.t.Helper()
	slug := s.link[strings.LastIndex(s.link, "/")+1:]
	s.read(s.asks("POST", "/api/v1/u/"+slug+"/transfers", "", `{"sender_email": "anna@example.com"}`), &started)
	return started
}

func (s *solo) declares(started api.Started, files int) reply {
	s.t.Helper()
	return s.declaresOf(started, files, 4)
}

func (s *solo) declaresOf(started api.Started, files, size int) reply {
	s.t.Helper()
	var in []string
	for i := range files {
		in = append(in, fmt.Sprintf(`{"path": "f%d", "size": %d}`, i, size))
	}
	return s.asks("POST", "/api/v1/transfers/"+started.ID+"/files", started.UploadToken, `{"files": [`+strings.Join(in, ",")+`]}`)
}

// completes ends the sending, when the files of it are completed.
func (s *solo) completes(started api.Started, headers ...string) (done api.Completed) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		r := s.asks("POST", "/api/v1/transfers/"+started.ID+"/complete", started.UploadToken, "{}", headers...)
		if r.StatusCode == http.StatusOK {
			s.read(r, &done)
			return done
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("the transfer is not complete: %d %s\n%s", r.StatusCode, r.body, s.log)
		}
	}
}

func (s *solo) read(r reply, into any) {
	s.t.Helper()
	if r.StatusCode >= 300 {
		s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		s.t.Fatal(err)
	}
}

// dials opens a connection and writes to it.
func (s *solo) dials(text string) *bufio.ReadWriter {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	return bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriterSize(c, 16))
}

// holds begins a part and returns when it has its slot.
func (s *solo) holds(u upload, file int) *bufio.ReadWriter {
	s.t.Helper()
	c := s.dials("PUT " + u.parts[file] + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + u.token +
		"\r\nContent-Length: " + strconv.Itoa(u.size) + "\r\nExpect: 100-continue\r\n\r\n")
	for range 2 {
		if line, err := c.ReadString('\n'); err != nil || line != "\r\n" && !strings.Contains(line, "100 Continue") {
			s.t.Fatalf("%q, %v", line, err)
		}
	}
	return c
}

// status reads an answer from a connection, to its end.
func (s *solo) status(c *bufio.ReadWriter) int {
	s.t.Helper()
	res, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		s.t.Fatalf("no answer: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode
}

// problem reads an answer from a connection and gives its code.
func (s *solo) problem(c *bufio.ReadWriter) string {
	s.t.Helper()
	res, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		s.t.Fatalf("no answer: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	var p api.Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		s.t.Fatal(err)
	}
	return string(p.Code)
}
