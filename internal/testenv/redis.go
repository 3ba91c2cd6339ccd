package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var redisServer = sync.OnceValues(startRedis)

const redisDatabases = 4096

type redis struct {
	*server
	addr     string
	password string
	next     atomic.Int64
}

// Redis returns the URL of a database of its own on a server that never evicts,
// as a queue needs it. What the test leaves there is deleted.
func Redis(t testing.TB) (url string) {
	t.Helper()
	r, err := redisServer()
	if err != nil {
		t.Fatal(err)
	}
	number := r.next.Add(1)
	if number >= redisDatabases {
		t.Fatalf("more than %d tests with Redis in one binary", redisDatabases)
	}
	t.Cleanup(func() {
		if err := r.call(context.Background(), fmt.Sprintf("SELECT %d", number), "FLUSHDB"); err != nil {
			t.Errorf("empty the Redis database: %v", err)
		}
	})
	return fmt.Sprintf("redis://:%s@%s/%d", r.password, r.addr, number)
}

func startRedis() (*redis, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &redis{addr: fmt.Sprintf("127.0.0.1:%d", port), password: secret()}
	return r, r.start()
}

// start begins to serve at the address, with nothing in it.
func (r *redis) start() error {
	path, err := program("redis-server", "redis-server", "valkey-server")
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	dir, err := newFolder(account{})
	if err != nil {
		return err
	}
	r.server, err = start(account{}, dir, "KILL", nil, path, "--port", port, "--bind", "127.0.0.1",
		"--requirepass", r.password, "--save", "", "--appendonly", "no", "--dir", dir,
		"--databases", strconv.Itoa(redisDatabases), "--maxmemory-policy", "noeviction")
	if err != nil {
		return err
	}
	return r.untilReady(func(ctx context.Context) error { return r.call(ctx, "PING") })
}

// call sends commands without arguments that need quoting, and wants a simple
// answer to each (https://redis.io/docs/latest/develop/reference/protocol-spec/).
func (r *redis) call(ctx context.Context, commands ...string) (err error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	answers := bufio.NewReader(conn)
	for _, command := range append([]string{"AUTH " + r.password}, commands...) {
		if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
			return err
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(answer, "+") {
			return fmt.Errorf("%s: %s", strings.Fields(command)[0], strings.TrimSpace(answer))
		}
	}
	return nil
}
