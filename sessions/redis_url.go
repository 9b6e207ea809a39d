package sessions

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// redisAddress is what a Redis URL says.
type redisAddress struct {
	hosts   []string // host:port
	tls     bool
	cluster bool
	master  string // name of the master that sentinels watch; "": no sentinels
	db      int
}

// maxRedisHosts bounds the seeds of one URL.
const maxRedisHosts = 16

// parseRedisURL reads redis://host:port/db, redis+sentinel://…,…/master/db and
// redis+cluster://…,…; rediss asks for TLS. A user or password in it would be
// shown wherever the configuration is, and is refused.
func parseRedisURL(s string) (redisAddress, error) {
	scheme, rest, found := strings.Cut(s, "://")
	family, kind, _ := strings.Cut(scheme, "+")
	if !found || family != "redis" && family != "rediss" {
		return redisAddress{}, errors.New("the URL must begin with redis:// or rediss://, redis+sentinel:// or redis+cluster://")
	}
	if strings.ContainsAny(rest, "@?# ") {
		return redisAddress{}, errors.New("the URL names hosts and a database only: user and password have settings of their own")
	}
	where := redisAddress{tls: family == "rediss", cluster: kind == "cluster"}
	hosts, path, _ := strings.Cut(rest, "/")
	var err error
	if where.hosts, err = redisHosts(hosts, kind); err != nil {
		return redisAddress{}, err
	}
	switch kind {
	case "":
		if len(where.hosts) > 1 {
			return redisAddress{}, errors.New("several hosts are of redis+sentinel:// or redis+cluster://")
		}
		where.db, err = redisDB(path)
	case "sentinel":
		var db string
		if where.master, db, _ = strings.Cut(path, "/"); where.master == "" {
			return redisAddress{}, errors.New("the URL must name the master that the sentinels watch: redis+sentinel://host,host/master")
		}
		where.db, err = redisDB(db)
	case "cluster":
		if path != "" {
			err = errors.New("a cluster has no numbered databases")
		}
	default:
		err = fmt.Errorf("%q is neither sentinel nor cluster", kind)
	}
	return where, err
}

// redisHosts reads host, host:port or [address]:port, separated by commas.
func redisHosts(list, kind string) ([]string, error) {
	port := "6379"
	if kind == "sentinel" {
		port = "26379"
	}
	var hosts []string
	for host := range strings.SplitSeq(list, ",") {
		u, err := url.Parse("redis://" + host)
		if err != nil || u.Hostname() == "" || u.Host != host {
			return nil, fmt.Errorf("%q is no host", host)
		}
		at := port
		if u.Port() != "" {
			at = u.Port()
		}
		if n, err := strconv.ParseUint(at, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("%q: no port", host)
		}
		if hosts = append(hosts, net.JoinHostPort(u.Hostname(), at)); len(hosts) > maxRedisHosts {
			return nil, fmt.Errorf("more than %d hosts", maxRedisHosts)
		}
	}
	return hosts, nil
}

func redisDB(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a database", s)
	}
	return int(n), nil
}
