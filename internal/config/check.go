package config

import (
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The checks of texts. None of their errors repeats the value, which may hold a password.

func checkAddr(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return errors.New("it is not host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("the port is not a number from 0 to 65535")
	}
	return nil
}

// portAddr makes the address of a platform's PORT: on every interface where a platform routes to it, else for this
// machine alone.
func portAddr(value string, onPlatform bool) (string, error) {
	if _, err := strconv.ParseUint(value, 10, 16); err != nil {
		return "", errors.New("it is not a number from 0 to 65535")
	}
	if onPlatform {
		return net.JoinHostPort("0.0.0.0", value), nil
	}
	return net.JoinHostPort("127.0.0.1", value), nil
}

// checkURL accepts absolute URLs of the given schemes that name a host.
func checkURL(schemes ...string) func(string) error {
	return func(value string) error {
		u, err := url.Parse(value)
		if err != nil {
			return errors.New("it is not a URL")
		}
		if !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" {
			return errors.New("it does not begin with " + strings.Join(schemes, ":// or ") + ":// and a host")
		}
		return nil
	}
}

// checkSite accepts the http or https URL of a server's root or of a folder below it.
func checkSite(value string) error {
	if err := checkURL("http", "https")(value); err != nil {
		return err
	}
	u, err := url.Parse(value)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("it has a user, a query or a fragment")
	}
	return nil
}

// checkRedisURL accepts what asynq's parser does: a server, one with TLS, a socket, sentinels.
func checkRedisURL(value string) error {
	if strings.HasPrefix(value, "redis-socket://") {
		return nil
	}
	return checkURL("redis", "rediss", "redis-sentinel")(value)
}

func parseOrigin(value string) (string, error) {
	if value == "*" {
		return value, nil
	}
	if err := checkSite(value); err != nil {
		return "", err
	}
	u, err := url.Parse(value)
	if err != nil || u.Path != "" {
		return "", errors.New("an origin has no path and no slash at the end")
	}
	return strings.ToLower(value), nil
}

// parseProxy reads an address, or a network in CIDR form.
func parseProxy(value string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(value); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return netip.Prefix{}, errors.New("it is neither an address nor a network such as 10.0.0.0/8")
	}
	return prefix.Masked(), nil
}

func checkEmail(value string) error {
	if _, err := mail.ParseAddress(value); err != nil {
		return errors.New("it is not an e-mail address")
	}
	return nil
}

func checkBucket(value string) error {
	if ok, err := regexp.MatchString(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`, value); err != nil || !ok {
		return errors.New("it is not a bucket's name")
	}
	return nil
}

func checkRegion(value string) error {
	if ok, err := regexp.MatchString(`^[a-z0-9-]{1,40}$`, value); err != nil || !ok {
		return errors.New("it is not a region's name")
	}
	return nil
}
