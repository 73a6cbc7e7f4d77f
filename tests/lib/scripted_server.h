// SPDX-License-Identifier: Apache-2.0
/*
 * A server for forked_server_start() that answers from a script and writes down what it was asked, in
 * memory shared with the test.
 */
#ifndef TESTS_LIB_SCRIPTED_SERVER_H
#define TESTS_LIB_SCRIPTED_SERVER_H

#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>

#include "lib/forked_server.h"

#define HANG        (-1) /* no answer */
#define RESET       (-2)
#define CUT_200     (-3) /* 200, and then the connection ends within the body */
#define LAST_STEPS  16
#define REQUEST_MAX ((size_t)1 << 20)

/* What a server does: the n-th request gets the n-th answer, later ones the last. */
struct script {
	int answers[LAST_STEPS];
	int poison; /* the answer to a request that holds the word "poison" */
	const char *headers; /* more of them, each with its line end */
	const char *body;
	_Atomic unsigned requests;
	size_t head_len, body_len; /* of the last request */
	char last[REQUEST_MAX];
};

static inline bool script_read_request(int fd, struct script *s)
{
	size_t len = 0, want = 0;

	s->head_len = 0;
	for (;;) {
		ssize_t n = read(fd, s->last + len, REQUEST_MAX - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		s->last[len] = '\0';
		const char *end = strstr(s->last, "\r\n\r\n");

		if (end && !s->head_len) {
			const char *length = strcasestr(s->last, "\r\nContent-Length:");

			s->head_len = (size_t)(end + 4 - s->last);
			want = s->head_len + (length ? strtoul(length + 17, NULL, 10) : 0);
		}
		if (s->head_len && len >= want) {
			s->body_len = want - s->head_len;
			return true;
		}
	}
}

static inline void script_answer(int fd, const struct script *s, int status)
{
	char text[1024];

	if (status == HANG)
		pause();
	if (status == RESET) {
		forked_server_reset(fd);
		return;
	}
	if (status == CUT_200) {
		forked_server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
		return;
	}
	snprintf(text, sizeof(text),
		"HTTP/1.1 %d Status\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		status, s->headers ? s->headers : "", s->body ? strlen(s->body) : 0,
		s->body ? s->body : "");
	forked_server_say(fd, text);
}

static inline void script_serve(int fd, struct script *s)
{
	if (!script_read_request(fd, s))
		return;
	unsigned n = s->requests++;
	int status = s->answers[n < LAST_STEPS - 1 ? n : LAST_STEPS - 1];

	if (s->poison && memmem(s->last, s->head_len + s->body_len, "poison", 6))
		status = s->poison;
	script_answer(fd, s, status);
}

/* The answers; 0 ends the list, its last one is repeated. */
static inline void script_set(struct script *s, const int *answers)
{
	for (int i = 0, last = 200; i < LAST_STEPS; i++) {
		if (*answers)
			last = *answers++;
		s->answers[i] = last;
	}
}

static inline struct script *script_new(void)
{
	struct script *s = mmap(NULL, sizeof(struct script), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	return s;
}

static inline void script_free(struct script *s)
{
	munmap(s, sizeof(*s));
}

#endif
