// SPDX-License-Identifier: Apache-2.0
/* SHA-1 (FIPS 180-4), for identifiers only: it is no protection against anybody. */
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20

void sha1(const void *data, size_t len, uint8_t ret[SHA1_SIZE]);

#endif
