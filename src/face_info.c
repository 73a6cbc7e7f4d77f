// SPDX-License-Identifier: Apache-2.0
/*
 * /debug/info: what pyroscope.ebpf showed as its debug information, as far as there is such a thing here:
 * targets, and what the symbolizer holds per program file and per process.
 */
#include <string.h>
#include <sys/utsname.h>

#include "face_parts.h"
#include "quality.h"

/* A machine has tens of thousands of files mapped at worst; a person reads the first of them. */
#define MAX_ENTRIES 2000

struct list {
	struct json json;
	size_t count, left_out;
};

static bool has_room(struct list *l)
{
	if (l->count >= MAX_ENTRIES) {
		l->left_out++;
		return false;
	}
	l->count++;
	return true;
}

static void add_file(void *ctx, const struct symbolizer_file *file)
{
	struct list *l = ctx;
	struct json *j = &l->json;

	if (!has_room(l))
		return;
	json_open(j, NULL, '{');
	json_string(j, "file", file->module->path);
	json_string(j, "build_id", file->module->build_id);
	json_number(j, "symbol_count", (int64_t)file->symbols);
	json_number(j, "table_bytes", (int64_t)file->table_bytes);
	json_number(j, "name_bytes", (int64_t)file->name_bytes);
	json_number(j, "mappings", (int64_t)file->users);
	json_bool(j, "refused", file->refused);
	json_close(j, '}');
}

static void add_process(void *ctx, const struct symbolizer_process *process)
{
	struct list *l = ctx;
	struct json *j = &l->json;

	if (!has_room(l))
		return;
	json_open(j, NULL, '{');
	json_number(j, "pid", process->pid);
	json_number(j, "size", (int64_t)process->mappings);
	json_number(j, "rounds_unused", (int64_t)process->rounds_unused);
	json_close(j, '}');
}

static void add_targets(struct json *j, const struct face *f)
{
	const struct status_entry *const *list;
	size_t count = status_list(*f->view.status, &list);

	json_open(j, "targets", '[');
	for (size_t i = 0; i < count; i++) {
		const struct target *t = list[i]->target;

		if (!t || t->gone || t->verdict != TARGET_PROFILED)
			continue;
		json_open(j, NULL, '{');
		json_string(j, "service_name", t->service_name);
		json_string(j, "name", t->name);
		json_string(j, "id", t->origin);
		json_number(j, "samples", (int64_t)list[i]->samples);
		json_number(j, "frames", (int64_t)t->quality.frames);
		json_number(j, "frames_named", (int64_t)t->quality.frames_named);
		json_number(j, "user_stacks", (int64_t)t->quality.user_stacks);
		json_number(j, "user_stacks_truncated", (int64_t)quality_incomplete(&t->quality));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void add_session(struct json *j, const struct symbolizer *s)
{
	const struct symbolizer_stats *stats = symbolizer_stats(s);
	struct list l = {.json = {.out = j->out}};
	struct utsname host = {0};

	uname(&host);
	json_open(j, "session", '{');
	json_string(j, "arch", host.machine);
	json_string(j, "kernel", host.release);
	json_number(j, "symbol_bytes", (int64_t)stats->bytes);
	json_open(j, "elf_cache", '[');
	symbolizer_visit_files(s, add_file, &l);
	json_close(j, ']');
	json_number(j, "elf_cache_left_out", (int64_t)l.left_out);
	json_open(j, "pid_cache", '[');
	l = (struct list){.json = {.out = j->out}};
	symbolizer_visit_processes(s, add_process, &l);
	json_close(j, ']');
	json_number(j, "pid_cache_left_out", (int64_t)l.left_out);
	json_close(j, '}');
}

void face_info(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf body = STRBUF_INIT;
	struct json j = {.out = &body};

	(void)r;
	json_open(&j, NULL, '{');
	add_targets(&j, f);
	add_session(&j, f->view.pipeline->symbolizer);
	json_close(&j, '}');
	face_json(x, 200, &body);
}
