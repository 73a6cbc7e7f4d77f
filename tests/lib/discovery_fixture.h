// SPDX-License-Identifier: Apache-2.0
/* A discovery that follows a fake engine, and a record of what it told. */
#ifndef TESTS_LIB_DISCOVERY_FIXTURE_H
#define TESTS_LIB_DISCOVERY_FIXTURE_H

#include "base/clock.h"
#include "base/text.h"
#include "docker/discovery.h"
#include "lib/fake_engine.h"

/* How long to wait for what should come, and how long for what should not. */
#define FIXTURE_WAIT_NS  (5 * NSEC_PER_SEC)
#define FIXTURE_QUIET_NS (30 * NSEC_PER_MSEC)

struct discovery_fixture {
	struct loop *loop;
	struct http *http;
	struct fake_engine engine;
	struct docker_sd_options options;
	struct docker_discovery *discovery;
	/* One word each: "+name", "+name(paused)", "-0001" (last digits of the id), "connecting",
	 * "connected", "lost", "notice". */
	struct strbuf told;
	struct labels labels; /* of the last container told */
	struct strbuf lines; /* labels of all containers told, a JSON object in each line */
	char reason[512]; /* of the last connection change */
	char notice[512];
};

static inline void fixture_on_container(void *ctx, const struct docker_container *c)
{
	struct discovery_fixture *f = ctx;

	ck_assert_uint_eq(strlen(c->id), DOCKER_ID_LEN);
	ck_assert_str_eq(c->id, labels_get(c->labels, "__meta_docker_container_id"));
	strbuf_addf(&f->told, "+%s%s ", c->name, c->state == DOCKER_PAUSED ? "(paused)" : "");
	labels_release(&f->labels);
	labels_copy(&f->labels, c->labels);
	for (size_t i = 0; i < c->labels->count; i++) {
		const struct label *l = &c->labels->list[i];

		strbuf_add_char(&f->lines, i ? ',' : '{');
		text_add_json(&f->lines, l->name, strlen(l->name));
		strbuf_add_char(&f->lines, ':');
		text_add_json(&f->lines, l->value, strlen(l->value));
	}
	strbuf_add_str(&f->lines, "}\n");
}

static inline void fixture_on_gone(void *ctx, const char *id)
{
	struct discovery_fixture *f = ctx;

	strbuf_addf(&f->told, "-%s ", id + DOCKER_ID_LEN - 4);
}

static inline void fixture_on_connection(void *ctx, enum docker_connection state,
	const struct error *err)
{
	static const char *const names[] = {"connecting", "connected", "lost"};
	struct discovery_fixture *f = ctx;

	strbuf_addf(&f->told, "%s ", names[state]);
	snprintf(f->reason, sizeof(f->reason), "%s", err ? err->message : "");
}

static inline void fixture_on_notice(void *ctx, const struct error *err)
{
	struct discovery_fixture *f = ctx;

	strbuf_add_str(&f->told, "notice ");
	snprintf(f->notice, sizeof(f->notice), "%s", err->message);
}

static inline void fixture_init(struct discovery_fixture *f)
{
	struct error err = {0};

	memset(f, 0, sizeof(*f));
	strbuf_init(&f->told);
	strbuf_init(&f->lines);
	unsetenv("DOCKER_API_VERSION");
	ck_assert_int_eq(loop_new(&f->loop), 0);
	ck_assert_int_eq(http_new(f->loop, &f->http, &err), 0);
	fake_engine_init(&f->engine, f->loop);
	docker_sd_options_init(&f->options);
	f->options.host = xasprintf("unix://%s", f->engine.path);
}

static inline void fixture_start(struct discovery_fixture *f)
{
	static const struct docker_discovery_ops ops = {
		.container = fixture_on_container,
		.gone = fixture_on_gone,
		.connection = fixture_on_connection,
		.notice = fixture_on_notice,
	};
	struct error err = {0};

	ck_assert_msg(docker_discovery_new(f->loop, f->http, &f->options, &ops, f, &f->discovery,
			      &err) == 0,
		"%s", err.message);
	docker_discovery_start(f->discovery);
}

static inline void fixture_release(struct discovery_fixture *f)
{
	docker_discovery_free(f->discovery);
	docker_sd_options_release(&f->options);
	fake_engine_release(&f->engine);
	http_free(f->http);
	loop_free(f->loop);
	labels_release(&f->labels);
	strbuf_release(&f->told);
	strbuf_release(&f->lines);
}

static inline void fixture_run(struct discovery_fixture *f, int64_t ns)
{
	int64_t end = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(f->loop, end - clock_monotonic_ns()), 0);
}

static inline void fixture_forget(struct discovery_fixture *f)
{
	strbuf_reset(&f->told);
	strbuf_reset(&f->lines);
}

/* Runs until exactly that was told, and sees that nothing more comes; then forgets it. */
static inline void fixture_expect(struct discovery_fixture *f, const char *told)
{
	int64_t end = clock_monotonic_ns() + FIXTURE_WAIT_NS;

	while (strcmp(f->told.buf, told) && clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(f->loop, 10 * NSEC_PER_MSEC), 0);
	fixture_run(f, FIXTURE_QUIET_NS);
	ck_assert_str_eq(f->told.buf, told);
	strbuf_reset(&f->told);
}

/* Runs until `told` was told among other things. */
static inline void fixture_await(struct discovery_fixture *f, const char *told)
{
	int64_t end = clock_monotonic_ns() + FIXTURE_WAIT_NS;

	while (!strstr(f->told.buf, told) && clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(f->loop, 10 * NSEC_PER_MSEC), 0);
	ck_assert_msg(strstr(f->told.buf, told) != NULL, "\"%s\" has no \"%s\"", f->told.buf, told);
}

#endif
