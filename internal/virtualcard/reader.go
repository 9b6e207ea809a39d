package virtualcard

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
)

// slotsPerReader is how many cards one vpcd reader takes, each on a port of its own.
const slotsPerReader = 2

// ReaderName is what PC/SC calls the reader that waits for a card at address,
// by pcscd's own configuration (reader.conf(5)); found is false if none there
// waits at that port of this machine.
func ReaderName(configuration fs.FS, address string) (name string, found bool) {
	_, portText, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return "", false
	}
	files, err := fs.ReadDir(configuration, ".")
	if err != nil {
		return "", false
	}
	for _, file := range files {
		content, err := fs.ReadFile(configuration, file.Name())
		if err != nil {
			continue
		}
		for _, r := range parseReaders(content) {
			if slot := port - r.port; slot >= 0 && slot < slotsPerReader {
				return fmt.Sprintf("%s 00 %02X", r.name, slot), true
			}
		}
	}
	return "", false
}

// vpcdReader is an entry of reader.conf that vpcd's driver serves.
type vpcdReader struct {
	name string
	port int // of its first slot
}

// parseReaders reads the entries of a reader.conf file whose device is
// /dev/null:PORT, which is how vpcd is told to wait on a port.
func parseReaders(content []byte) []vpcdReader {
	var readers []vpcdReader
	var current vpcdReader
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if !ok {
			continue
		}
		switch key {
		case "FRIENDLYNAME":
			current = vpcdReader{name: value}
		case "DEVICENAME":
			device, port, ok := strings.Cut(value, ":")
			number, err := strconv.ParseUint(port, 0, 16)
			if ok && err == nil && device == "/dev/null" && current.name != "" {
				current.port = int(number)
				readers = append(readers, current)
			}
		}
	}
	return readers
}
