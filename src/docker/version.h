// SPDX-License-Identifier: Apache-2.0
/* Versions of the Engine API: "1.41" is 1041, so that they compare as numbers. */
#ifndef DOCKER_VERSION_H
#define DOCKER_VERSION_H

#include <stdbool.h>
#include <stddef.h>

/* Docker 1.12; what we read exists since then. */
#define DOCKER_VERSION_MIN 1024u
/* What this was written against (Docker 28.3). A server that insists on a later one gets that. */
#define DOCKER_VERSION_MAX 1051u

/* The whole text must be one. 0 < *ret. */
bool docker_version_parse(const char *text, unsigned *ret);
/* Writes "1.41". */
void docker_version_format(unsigned version, char *ret, size_t size);
/*
 * From "client version 1.51 is too new. Maximum supported API version is 1.41" and its "too old"
 * counterpart: the version that the server wants. False where it is another message.
 */
bool docker_version_wanted(const char *message, unsigned *ret);

#endif
