package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// benchRelay measures the least that any server of this kind must do: read a
// request's body and send it on as another's, sealing and recording nothing.
func benchRelay(ctx context.Context, p plan) error {
	b, err := openBucket()
	if err != nil {
		return err
	}
	defer b.close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "relay", b.url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	g := &guest{base: strings.TrimSpace(base), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, WriteBufferSize: 256 << 10}}, data: make([]byte, part)}
	parts := int(p.gib * 1024 / 10)
	file := declared{ID: "relayed", Size: int64(parts) * part, PartSize: part, PartCount: parts}
	before, err := cpu(cmd.Process.Pid)
	if err != nil {
		return err
	}
	took, err := g.sendAll(ctx, jobsOf([]declared{file}), 4)
	if err != nil {
		return err
	}
	after, err := cpu(cmd.Process.Pid)
	if err != nil {
		return err
	}
	sent := float64(parts) * 10 / 1024
	figure("CPU for a relayed GiB, 4 in flight", fmt.Sprintf("%.2f s", (after-before).Seconds()/sent), "")
	figure("throughput", fmt.Sprintf("%.0f MiB/s", sent*1024/took.Seconds()), "")
	return nil
}

// relay is the bare relay, as a process of its own.
func relay(ctx context.Context, to string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, WriteBufferSize: 64 << 10}}
	var count atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), "PUT", fmt.Sprintf("%s/relay/%d", to, count.Add(1)), r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		req.ContentLength = r.ContentLength
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.Copy(w, resp.Body)
		_ = resp.Body.Close()
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("http://" + l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
