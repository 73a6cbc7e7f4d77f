// SPDX-License-Identifier: Apache-2.0
/* From an address as people write it to a listening socket. */
#ifndef WEB_LISTEN_H
#define WEB_LISTEN_H

#include "base/error.h"

#define LISTEN_NAME_MAX 160 /* an IPv6 address with a zone and a port, a socket's path */

/*
 * HOST:PORT, :PORT, [IPv6]:PORT or unix:/PATH (mode 0600; a left-over socket that nobody answers at is
 * replaced). A non-blocking descriptor, with where it listens in `name` (LISTEN_NAME_MAX bytes); or
 * -errno with err.
 */
int listen_on(const char *address, char *name, struct error *err) MUST_CHECK;
/* Removes what listen_on() left in the file system. */
void listen_end(const char *name);

#endif
