/*
 * bind(2) for a pcscd with vpcd's readers, to be preloaded into it.
 *
 * vpcd waits for its cards on all interfaces and has no setting against it:
 * told to connect to the card instead (DEVICENAME HOST:PORT), the version in
 * Debian 12 aborts the service as soon as a card has been taken out. So whatever
 * asks for an IPv4 address gets the loopback one.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_in inner;

	if (length == sizeof inner && address->sa_family == AF_INET) {
		memcpy(&inner, address, sizeof inner);
		inner.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address = (const struct sockaddr *)&inner;
	}
	return (int)syscall(SYS_bind, fd, address, length);
}
