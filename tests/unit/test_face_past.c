// SPDX-License-Identifier: Apache-2.0
/* What the face answers of the past, however much of it containers made. */
#include "unit/unit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "face_parts.h"
#include "unit/temp_dir.h"

static struct temp_dir proc;
static struct loop *loop;
static struct http *http;
static struct discover *discover;
static struct status *status;
static struct web *web;
static struct config config;
static struct pipeline pipeline;
static struct face face;
static struct strbuf answer;

static void on_request(void *ctx, struct web_exchange *x, const struct web_request *r)
{
	if (strcmp(r->path, "/containers") == 0)
		face_containers(ctx, x, r);
	else if (strcmp(r->path, "/flamegraph") == 0)
		face_flamegraph(ctx, x, r);
	else
		face_download(ctx, x, r);
}

static const struct web_ops ops = {.request = on_request};
static const struct discover_ops discover_ops;

static void setup(void)
{
	struct error err = {0};

	temp_dir_init(&proc);
	strbuf_init(&answer);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &http, &err), 0);
	ck_assert_int_eq(discover_new(loop, http, &discover_ops, NULL, &discover), 0);
	status = status_new(discover, NULL, proc.path);
	config.ebpf.sample_rate = 100;
	config.ebpf.collect_interval_ns = 15 * NSEC_PER_SEC;
	pipeline.discover = discover;
	face = (struct face){
		.loop = loop,
		.view = {.config = &config, .pipeline = &pipeline, .status = &status},
		.history = history_new(8 << 20),
	};
	ck_assert_int_eq(web_new(loop, &(struct web_options){.address = "127.0.0.1:0"}, &ops, &face,
				 &web, &err),
		0);
}

static void teardown(void)
{
	web_free(web);
	history_free(face.history);
	status_free(status);
	discover_free(discover);
	http_free(http);
	loop_free(loop);
	strbuf_release(&answer);
	temp_dir_release(&proc);
}

/* The whole answer. */
static const char *ask(const char *path)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(strrchr(web_address(web), ':') + 1)),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd cleanup_close = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct strbuf request cleanup_strbuf = STRBUF_INIT;
	static char part[1 << 20];
	ssize_t n = -1;

	strbuf_addf(&request, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
	strbuf_reset(&answer);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(send(fd, request.buf, request.len, MSG_NOSIGNAL), (ssize_t)request.len);
	for (int i = 0; i < 10000 && n != 0; i++) {
		ck_assert_int_eq(loop_turn(loop, NSEC_PER_MSEC), 0);
		n = recv(fd, part, sizeof(part), MSG_DONTWAIT);
		if (n > 0)
			strbuf_add(&answer, part, (size_t)n);
	}
	ck_assert_int_eq(n, 0);
	return answer.buf;
}

/* `count` stacks, the longest with 500 frames of one name that long. */
static void add(const char *id, size_t name_length, size_t count, int64_t second)
{
	static struct pprof_frame frames[500];
	char name[4096] = "";
	struct pprof *p = pprof_new(&(struct pprof_options){.time_ns = second * NSEC_PER_SEC,
		.duration_ns = NSEC_PER_SEC,
		.period_ns = 10});

	memset(name, 'x', name_length);
	for (size_t k = 0; k < ARRAY_SIZE(frames); k++)
		frames[k] = (struct pprof_frame){.name = name, .module = "web"};
	for (size_t i = 0; i < count; i++)
		pprof_add_named(p, frames + i, ARRAY_SIZE(frames) - i, 1);
	history_add(face.history, id, id, id, p);
	pprof_free(p);
}

START_TEST(a_text_without_end_is_refused)
{
	add("long", 4000, 20, 1);
	add("fine", 40, 20, 2);
	ask("/download?format=folded&id=long");
	ck_assert_ptr_nonnull(strstr(answer.buf, "HTTP/1.1 413 "));
	ck_assert_ptr_nonnull(strstr(answer.buf, "choose a shorter time, or format=pprof"));
	ck_assert_uint_lt(answer.len, 1000);
	ck_assert_ptr_nonnull(strstr(ask("/download?format=pprof&id=long"), "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(ask("/download?format=speedscope&id=long"), " 200 OK"));
	ck_assert_ptr_nonnull(strstr(ask("/download?format=folded&id=fine"), " 200 OK"));
	ck_assert_uint_gt(answer.len, 400000);
}
END_TEST

START_TEST(more_stacks_than_a_profile_may_hold_are_refused)
{
	for (int64_t i = 1; i < 40; i++) {
		char word[16];

		snprintf(word, sizeof(word), "f%" PRId64, i);
		struct pprof *p = pprof_new(&(struct pprof_options){.time_ns = i, .period_ns = 10});
		struct pprof_frame frames[500];

		for (size_t k = 0; k < ARRAY_SIZE(frames); k++)
			frames[k] = (struct pprof_frame){.name = word, .module = ""};
		for (size_t k = 0; k < ARRAY_SIZE(frames); k++)
			pprof_add_named(p, frames + k, ARRAY_SIZE(frames) - k, 1);
		history_add(face.history, "a", "a", "a", p);
		pprof_free(p);
	}
	ck_assert_ptr_nonnull(strstr(ask("/download?format=pprof&id=a"), "HTTP/1.1 413 "));
	ck_assert_ptr_nonnull(strstr(answer.buf, "choose a shorter time"));

	/* Drawn, they share their frames. */
	ck_assert_ptr_nonnull(strstr(ask("/flamegraph?id=a"), "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(
		strstr(answer.buf, "\"ticks\":19500,\"frames\":[[\"f1\",\"\",0],[\"f2\","));
	ck_assert_ptr_nonnull(strstr(answer.buf, "\"nodes\":[0,0,1,1,0,1,2,0,1,"));
	ck_assert_ptr_nonnull(strstr(answer.buf, "498,0,1,499,0,1,0,1,1,501,1,1,"));
	ck_assert_ptr_nonnull(
		strstr(ask("/flamegraph?id=b"), "\"ticks\":0,\"frames\":[],\"nodes\":[]}"));
	ck_assert_ptr_nonnull(strstr(ask("/flamegraph"), "HTTP/1.1 400 "));
}
END_TEST

START_TEST(intervals_that_could_not_be_kept_are_told)
{
	history_set_max_bytes(face.history, 64 << 10);
	add("small", 10, 1, 1);
	ck_assert_ptr_nonnull(strstr(ask("/containers"), "\"intervalsTooLarge\":0"));
	history_set_max_bytes(face.history, 4 << 10);
	add("large", 10, 500, 2);
	ck_assert_ptr_nonnull(strstr(ask("/containers"), "\"intervalsTooLarge\":1"));
}
END_TEST

START_TEST(the_newest_of_the_forgotten_are_shown)
{
	char word[32];

	for (int64_t i = 0; i < 250; i++) {
		snprintf(word, sizeof(word), "gone-%03" PRId64 "-", i);
		add(word, 10, 1, i + 1);
	}
	add("gone-007-", 10, 1, 1000);
	ask("/containers");
	ck_assert_ptr_nonnull(strstr(answer.buf, "\"containersLeftOut\":50"));
	ck_assert_ptr_nonnull(strstr(answer.buf, "\"id\":\"gone-249-\""));
	ck_assert_ptr_nonnull(strstr(answer.buf, "\"id\":\"gone-051-\""));
	ck_assert_ptr_nonnull(strstr(answer.buf, "\"id\":\"gone-007-\""));
	ck_assert_ptr_null(strstr(answer.buf, "\"id\":\"gone-050-\""));
	ck_assert_ptr_null(strstr(answer.buf, "\"id\":\"gone-000-\""));
}
END_TEST

UNIT_MAIN_FIXTURE("face_past", setup, teardown, a_text_without_end_is_refused,
	more_stacks_than_a_profile_may_hold_are_refused, intervals_that_could_not_be_kept_are_told,
	the_newest_of_the_forgotten_are_shown)
