package virtualcard

import (
	"net"
	"syscall"
)

// acknowledgeNow asks for acknowledgements without delay (tcp(7), TCP_QUICKACK).
// Without it the card is slow, not wrong, so failing is no error.
func acknowledgeNow(connection net.Conn) {
	tcp, ok := connection.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
