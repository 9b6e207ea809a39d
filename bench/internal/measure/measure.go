// Package measure holds what the benchmark programs share: the process seen
// from outside, medians, the machine's description.
package measure

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Median of the values; of an even number, the lower middle one. It panics
// without any.
func Median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// Machine describes processor, cores and Go, and no more.
func Machine() string {
	model := "unknown processor"
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s %s/%s", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Status reads a field of /proc/PID/status in KiB, as octets: VmRSS, VmHWM.
func Status(pid int, field string) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && name == field {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s", field)
}

// ResetPeak makes VmHWM of this process start again from what it holds now.
func ResetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// CPU is the processor time that a process has used, to the microsecond: the
// sum over its threads. What a thread that has ended used is not in it; servers
// keep theirs.
func CPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "schedstat"))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no process %d", pid)
	}
	var total int64
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		used, _, _ := strings.Cut(string(text), " ") // then the time waited, and the slices
		nanoseconds, err := strconv.ParseInt(used, 10, 64)
		if err != nil {
			return 0, err
		}
		total += nanoseconds
	}
	return time.Duration(total), nil
}
