//go:build cgo

// Devices whose path begins with "cardside:" are cards in PC/SC readers: their
// bytes go through Go's cardsideTx and cardsideRx. All others are libfido2's.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <fido.h>
#include "_cgo_export.h"

static char the_card; // libfido2 wants a handle; there is one card

static void *card_open(const char *path) { (void)path; return &the_card; }
static void card_close(void *handle) { (void)handle; }

// Frames of USB are never read or written: the transport functions below take
// their place.
static int card_read(void *handle, unsigned char *buffer, size_t n, int ms) {
	(void)handle; (void)buffer; (void)n; (void)ms;
	return -1;
}
static int card_write(void *handle, const unsigned char *buffer, size_t n) {
	(void)handle; (void)buffer; (void)n;
	return -1;
}

static int card_tx(fido_dev_t *device, uint8_t command, const unsigned char *message, size_t n) {
	(void)device;
	return cardsideTx(command, (void *)message, n);
}
static int card_rx(fido_dev_t *device, uint8_t command, unsigned char *buffer, size_t n, int ms) {
	(void)device; (void)ms;
	return cardsideRx(command, buffer, n);
}

// Defined in the executable, this is what go-libfido2's calls bind to.
int fido_dev_open(fido_dev_t *device, const char *path) {
	static const fido_dev_io_t io = { card_open, card_close, card_read, card_write };
	static const fido_dev_transport_t transport = { card_rx, card_tx };
	int (*library)(fido_dev_t *, const char *) = (int (*)(fido_dev_t *, const char *))dlsym(RTLD_NEXT, "fido_dev_open");
	int r;

	if (library == NULL)
		return FIDO_ERR_INTERNAL;
	if (strncmp(path, "cardside:", 9) == 0) {
		if ((r = fido_dev_set_io_functions(device, &io)) != FIDO_OK)
			return r;
		if ((r = fido_dev_set_transport_functions(device, &transport)) != FIDO_OK)
			return r;
	}
	return library(device, path);
}
