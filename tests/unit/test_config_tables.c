// SPDX-License-Identifier: Apache-2.0
/*
 * What must hold for every key of every section, whatever it is called: the tables that read the file
 * are walked, and a file is made for each key.
 */
#include "unit/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "config/sections.h"

#define SECRET "s3cr3t-hunter2"

/* Where a section stands in a file: the lines before its keys, and how far they are indented. */
struct place {
	const struct config_section *section;
	const char *before;
	int indent;
	/* The object it is read into, where its values can be looked at. */
	const void *(*object)(const struct config *config);
};

static const void *whole(const struct config *config)
{
	return config;
}

static const void *docker(const struct config *config)
{
	return &config->docker[0];
}

static const void *docker_http(const struct config *config)
{
	return &config->docker[0].http;
}

static const void *files(const struct config *config)
{
	return &config->files[0];
}

static const void *ebpf(const struct config *config)
{
	return &config->ebpf;
}

static const void *write_(const struct config *config)
{
	return &config->write;
}

static const void *endpoint(const struct config *config)
{
	return &config->write.endpoints[0];
}

static const void *web(const struct config *config)
{
	return &config->web;
}

#define DOCKER   "docker_sd_configs:\n  - port: 81\n"
#define ENDPOINT "write:\n  endpoint:\n    - url: http://h\n"

static const struct place places[] = {
	{&root_section, "", 0, whole},
	{&docker_section, "docker_sd_configs:\n  - enable_http2: true\n", 4, docker},
	{&docker_filter_section, DOCKER "    filters:\n      - name: label\n        values: [x]\n",
		8, NULL},
	{&file_sd_section, "file_sd_configs:\n  - files: [a.yml]\n", 4, files},
	{&rule_section, "relabel_configs:\n  - target_label: x\n", 4, NULL},
	{&ebpf_section, "ebpf:\n", 2, ebpf},
	{&ebpf_symbols_section, "ebpf:\n  symbols:\n", 4, ebpf},
	{&write_section, "write:\n", 2, write_},
	{&write_endpoint_section, ENDPOINT, 6, endpoint},
	{&write_file_section, "write:\n  file:\n    directory: /x\n", 4, write_},
	{&log_section, "log:\n", 2, whole},
	{&web_section, "web:\n", 2, web},
	{&http_section, DOCKER, 4, docker_http},
	{&http_basic_auth_section, DOCKER "    basic_auth:\n", 6, docker_http},
	{&http_authorization_section, ENDPOINT "      authorization:\n", 8, NULL},
	{&http_tls_section, DOCKER "    tls_config:\n", 6, docker_http},
	{&http_header_section, DOCKER "    http_headers:\n      X-A:\n", 8, NULL},
};

static bool is_scalar(const struct config_key *key)
{
	return key->type < KEY_STRINGS;
}

static void make_file(struct strbuf *out, const struct place *place, const char *key,
	const char *value)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s%*s%s: %s\n", place->before, place->indent, "", key, value);
}

static unsigned last_line(const struct strbuf *text)
{
	unsigned lines = 0;

	for (size_t i = 0; i < text->len; i++)
		lines += text->buf[i] == '\n';
	return lines;
}

/* All problems, one a line; whether the wanted one is among them. */
static bool reports(const struct strbuf *text, const char *wanted, struct strbuf *all)
{
	struct config_problems problems = {0};
	struct config config;
	bool found = false;

	strbuf_reset(all);
	if (config_parse("f", text->buf, text->len, &config, &problems) == 0)
		config_release(&config);
	for (size_t i = 0; i < problems.count; i++) {
		struct strbuf line cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&line, "f", &problems.list[i]);
		found |= strcmp(line.buf, wanted) == 0;
		strbuf_addf(all, "%s\n", line.buf);
	}
	config_problems_release(&problems);
	return found;
}

#define for_each_key(p, k)                                                                         \
	for (const struct place *p = places; p < places + ARRAY_SIZE(places); p++)                 \
		for (const struct config_key *k = p->section->keys; k->name; k++)                  \
			if (k->type != KEY_INLINE)

START_TEST(every_scalar_key_refuses_a_list_a_map_and_nothing)
{
	static const struct {
		const char *value, *name;
	} kinds[] = {{"[x]", "a list"}, {"{x: y}", "a map"}, {"", "nothing"}};
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf wanted cleanup_strbuf = STRBUF_INIT;
	struct strbuf all cleanup_strbuf = STRBUF_INIT;
	size_t checked = 0;

	for_each_key(p, key)
	{
		for (size_t i = 0; i < ARRAY_SIZE(kinds) && is_scalar(key); i++, checked++) {
			struct strbuf ending cleanup_strbuf = STRBUF_INIT;

			make_file(&text, p, key->name, kinds[i].value);
			reports(&text, "", &all);
			strbuf_addf(&ending, ", not %s\n", kinds[i].name);
			strbuf_reset(&wanted);
			strbuf_addf(&wanted, "f:%u:%zu: `%s` takes ", last_line(&text),
				(size_t)p->indent + strlen(key->name) + (*kinds[i].value ? 3 : 2),
				key->name);
			ck_assert_msg(strstr(all.buf, wanted.buf) && strstr(all.buf, ending.buf),
				"%s\nwant: %s...%s\ngot: %s", text.buf, wanted.buf, ending.buf,
				all.buf);
		}
	}
	ck_assert_uint_gt(checked, 200);
}
END_TEST

START_TEST(every_misspelt_key_is_recognised)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf wanted cleanup_strbuf = STRBUF_INIT;
	struct strbuf all cleanup_strbuf = STRBUF_INIT;
	size_t checked = 0;

	for_each_key(p, key)
	{
		char slip[64];
		size_t n = strlen(key->name);

		if (key->type == KEY_REFUSED || (key->flags & KEY_ALIAS) || n < 5)
			continue;
		snprintf(slip, sizeof(slip), "%s", key->name);
		slip[n - 1] = key->name[n - 2];
		slip[n - 2] = key->name[n - 1];
		if (section_find(p->section, slip, NULL) || strcmp(slip, key->name) == 0)
			continue;
		make_file(&text, p, slip, "x");
		strbuf_reset(&wanted);
		strbuf_addf(&wanted, "f:%u:%d: unknown key `%s` in ", last_line(&text),
			p->indent + 1, slip);
		reports(&text, "", &all);
		ck_assert_msg(strstr(all.buf, wanted.buf), "%s\ngot: %s", text.buf, all.buf);
		strbuf_reset(&wanted);
		strbuf_addf(&wanted, "; did you mean `%s`?", key->name);
		ck_assert_msg(strstr(all.buf, wanted.buf), "%s\nwant: %s\ngot: %s", text.buf,
			wanted.buf, all.buf);
		checked++;
	}
	ck_assert_uint_gt(checked, 80);
}
END_TEST

START_TEST(every_key_written_twice_is_an_error)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf wanted cleanup_strbuf = STRBUF_INIT;
	struct strbuf all cleanup_strbuf = STRBUF_INIT;

	for_each_key(p, key)
	{
		make_file(&text, p, key->name, "x");
		strbuf_addf(&text, "%*s%s: x\n", p->indent, "", key->name);
		strbuf_reset(&wanted);
		/* Some stand once in what is before them already, a line or two up. */
		bool before = strstr(p->before, key->name) &&
			strstr(p->before, key->name)[strlen(key->name)] == ':';

		if (before)
			continue;
		strbuf_addf(&wanted, "f:%u:%d: `%s` is written twice, first in line %u; keep one",
			last_line(&text), p->indent + 1, key->name, last_line(&text) - 1);
		ck_assert_msg(reports(&text, wanted.buf, &all), "%s\nwant: %s\ngot: %s", text.buf,
			wanted.buf, all.buf);
	}
}
END_TEST

START_TEST(every_bounded_key_refuses_what_is_out_of_bounds)
{
	static const char *const nonsense[] = {"-1", "0x10", "1e3", "\"\"", "many", "1 0", "1.5.1",
		"99999999999999999999"};
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf wanted cleanup_strbuf = STRBUF_INIT;
	struct strbuf all cleanup_strbuf = STRBUF_INIT;
	size_t checked = 0;

	for_each_key(p, key)
	{
		bool number = key->type == KEY_UINT || key->type == KEY_SIZE ||
			key->type == KEY_COUNT || key->type == KEY_DURATION;

		for (size_t i = 0; number && i < ARRAY_SIZE(nonsense); i++, checked++) {
			make_file(&text, p, key->name, nonsense[i]);
			strbuf_reset(&wanted);
			strbuf_addf(&wanted, "f:%u:%zu: `%s` takes ", last_line(&text),
				(size_t)p->indent + strlen(key->name) + 3, key->name);
			reports(&text, "", &all);
			ck_assert_msg(strstr(all.buf, wanted.buf), "%s\nwant: %s\ngot: %s",
				text.buf, wanted.buf, all.buf);
		}
		/* A duration that may be none has nothing below. */
		if (!number || !key->max || (key->type == KEY_DURATION && !key->min))
			continue;
		char below[32];

		snprintf(below, sizeof(below), "%" PRId64, key->min - 1);
		make_file(&text, p, key->name, key->type == KEY_DURATION ? "0ms" : below);
		ck_assert(!reports(&text, "", &all));
		ck_assert_msg(strstr(all.buf, " takes "), "%s\n%s", text.buf, all.buf);
	}
	ck_assert_uint_gt(checked, 150);
}
END_TEST

START_TEST(no_secret_is_ever_shown)
{
	static const char *const values[] = {
		SECRET "${",
		"${" SECRET "}",
		"${lower_" SECRET ":}",
		"\"" SECRET "\\n\"",
		"\"" SECRET "\\x07\"",
		"[" SECRET "]",
		"{" SECRET ": 1}",
		"{a: " SECRET "}",
		"\"https://user:" SECRET "@h\"",
	};
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf all cleanup_strbuf = STRBUF_INIT;
	size_t checked = 0;

	for_each_key(p, key)
	{
		bool secret = key->type == KEY_SECRET || (key->flags & KEY_SECRET_ITEMS) ||
			strstr(key->name, "url") || strcmp(key->name, "headers") == 0;

		for (size_t i = 0; secret && i < ARRAY_SIZE(values); i++, checked++) {
			make_file(&text, p, key->name, values[i]);
			reports(&text, "", &all);
			ck_assert_msg(!strstr(all.buf, "hunter2"), "%s\ngot: %s", text.buf,
				all.buf);
		}
	}
	ck_assert_uint_gt(checked, 50);
}
END_TEST

static void dump(struct strbuf *out, const struct config_section *section, const char *object)
{
	for (const struct config_key *k = section->keys; k->name; k++) {
		if (k->offset == KEY_NOWHERE)
			continue;
		const void *at = object + k->offset;

		if (k->type == KEY_INLINE)
			dump(out, k->section, at);
		else if (k->type == KEY_BOOL)
			strbuf_addf(out, "%s=%d\n", k->name, *(const bool *)at);
		else if (k->type == KEY_UINT || (k->type == KEY_CHOICE && !k->flags))
			strbuf_addf(out, "%s=%u\n", k->name, *(const unsigned *)at);
		else if (k->type == KEY_SIZE || k->type == KEY_COUNT)
			strbuf_addf(out, "%s=%zu\n", k->name, *(const size_t *)at);
		else if (k->type == KEY_DURATION)
			strbuf_addf(out, "%s=%" PRId64 "\n", k->name, *(const int64_t *)at);
		else if (k->type == KEY_STRING || k->type == KEY_PATH || k->type == KEY_SECRET ||
			k->type == KEY_CHOICE)
			strbuf_addf(out, "%s=%s\n", k->name,
				*(const char *const *)at ? *(const char *const *)at : "(none)");
	}
}

static void parse_and_dump(const struct place *p, const char *text, size_t len, struct strbuf *out)
{
	struct config_problems problems = {0};
	struct config config;
	int r = config_parse("f", text, len, &config, &problems);

	ck_assert_msg(r == 0, "%s\n%s", text, r ? problems.list[0].message : "");
	dump(out, p->section, p->object(&config));
	config_release(&config);
}

START_TEST(every_default_is_what_the_reference_says)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	size_t checked = 0;

	unsetenv("PYROSCOPE_SERVER_ADDRESS");
	for_each_key(p, key)
	{
		struct strbuf with cleanup_strbuf = STRBUF_INIT;
		struct strbuf without cleanup_strbuf = STRBUF_INIT;

		if (!key->def || !p->object || !is_scalar(key) || strstr(p->before, key->name))
			continue;
		make_file(&text, p, key->name, key->def);
		parse_and_dump(p, text.buf, text.len, &with);
		parse_and_dump(p, p->before, strlen(p->before), &without);
		ck_assert_str_eq(with.buf, without.buf);
		checked++;
	}
	ck_assert_uint_gt(checked, 30);
}
END_TEST

START_TEST(the_manual_holds_the_reference)
{
	struct strbuf manual cleanup_strbuf = STRBUF_INIT;
	struct strbuf reference cleanup_strbuf = STRBUF_INIT;

	ck_assert_int_eq(file_read_at(-100, "docs/dockprof.yml.5.md", 1 << 20, &manual), 0);
	config_reference_add(&reference);
	ck_assert_msg(strstr(manual.buf, reference.buf),
		"docs/dockprof.yml.5.md is not what the tables say; run make docs");
	for_each_key(p, key)
	{
		char mention[80];

		snprintf(mention, sizeof(mention), key->type == KEY_REFUSED ? "`%s`" : "**%s** (",
			key->name);
		ck_assert_msg(strstr(reference.buf, mention), "%s is not in the reference",
			key->name);
		ck_assert_msg(*key->help, "%s says nothing", key->name);
		(void)p;
	}
}
END_TEST

UNIT_MAIN("config_tables", every_scalar_key_refuses_a_list_a_map_and_nothing,
	every_misspelt_key_is_recognised, every_key_written_twice_is_an_error,
	every_bounded_key_refuses_what_is_out_of_bounds, no_secret_is_ever_shown,
	every_default_is_what_the_reference_says, the_manual_holds_the_reference)
