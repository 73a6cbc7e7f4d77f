// SPDX-License-Identifier: Apache-2.0
/* MD5 (RFC 1321): what Prometheus' hashmod is made of. Not for anything that needs to be secure. */
#ifndef RELABEL_MD5_H
#define RELABEL_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_SIZE 16

void md5(uint8_t out[MD5_SIZE], const void *data, size_t len);

#endif
