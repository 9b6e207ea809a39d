package redislab

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Sentinels runs a master, a replica, both with the settings, and three sentinels
// that watch them under the name, and returns them in that order.
func Sentinels(t testing.TB, name string, settings ...string) (master, replica *Server, sentinels []*Server) {
	t.Helper()
	Need(t, "redis-sentinel", "redis-cli")
	master = Start(t, settings...)
	replica = Start(t, append([]string{fmt.Sprintf("replicaof 127.0.0.1 %d", master.Port), "repl-diskless-sync-delay 0"}, settings...)...)
	for range 3 {
		sentinels = append(sentinels, start(t, "redis-sentinel", []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", name, master.Port),
			fmt.Sprintf("sentinel down-after-milliseconds %s 500", name),
			fmt.Sprintf("sentinel failover-timeout %s 5000", name),
		}))
	}
	until(t, "the sentinels to see each other and the replica", func() bool {
		for _, s := range sentinels {
			seen := s.Command(t, "sentinel", "master", name)
			if field(seen, "num-other-sentinels") != "2" || field(seen, "num-slaves") != "1" {
				return false
			}
		}
		return strings.Contains(replica.Command(t, "info", "replication"), "master_link_status:up")
	})
	return master, replica, sentinels
}

// Cluster runs three masters, with the settings, that share the slots.
func Cluster(t testing.TB, settings ...string) []*Server {
	t.Helper()
	Need(t, "redis-cli")
	var nodes []*Server
	arguments := []string{"--cluster", "create"}
	for range 3 {
		bus, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		node := Start(t, append([]string{"cluster-enabled yes", "cluster-config-file nodes.conf", fmt.Sprintf("cluster-port %d", bus), "cluster-node-timeout 2000"}, settings...)...)
		nodes, arguments = append(nodes, node), append(arguments, node.Address())
	}
	if out, err := exec.Command("redis-cli", append(arguments, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("making a cluster: %v\n%s", err, out)
	}
	until(t, "the cluster", func() bool {
		for _, node := range nodes {
			if !strings.Contains(node.Command(t, "cluster", "info"), "cluster_state:ok") {
				return false
			}
		}
		return true
	})
	return nodes
}

// Command runs redis-cli against the server and gives what it prints.
func (s *Server) Command(t testing.TB, arguments ...string) string {
	t.Helper()
	out, err := exec.Command("redis-cli", append([]string{"-p", fmt.Sprint(s.Port)}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// field finds the line after a name, as redis-cli prints pairs.
func field(printed, name string) string {
	_, after, _ := strings.Cut("\n"+printed, "\n"+name+"\n")
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// until waits for a condition, 20 seconds at most.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited too long for %s", what)
}
