// SPDX-License-Identifier: Apache-2.0
/*
 * The YAML file to each room's options. Strict: unknown and duplicate keys, wrong types and bad values
 * are errors with line and column, and all of a file's errors are found in one run.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/log.h"
#include "docker/discovery.h"
#include "export/writer.h"
#include "relabel/relabel.h"
#include "symbols/demangle.h"
#include "target/labels.h"

#define CONFIG_DEFAULT_PATH  "/etc/dockprof/dockprof.yml"
#define CONTROL_DEFAULT_PATH "/run/dockprof/dockprof.sock"

enum comm_mode { COMM_NONE, COMM_STACKFRAME };

/* Argument names of pyroscope.ebpf. */
struct ebpf_options {
	int64_t collect_interval_ns; /* 15 s */
	unsigned sample_rate; /* 97 */
	bool collect_user_profile, collect_kernel_profile; /* true */
	enum comm_mode comm; /* stackframe */
	enum demangle_mode demangle; /* none */
	bool python_enabled; /* true */
	bool python_full_file_path, python_internal_frames; /* false */
	bool profile_self; /* false */
	bool symbols_lines; /* false */
	size_t symbols_max_bytes, unwind_max_bytes;
	size_t max_processes;
};

/* A file_sd_configs entry. */
struct file_sd_options {
	char **files; /* paths; the last component may hold * */
	size_t file_count;
	int64_t refresh_interval_ns; /* 5 m */
};

/* The `web` section. */
struct web_face_options {
	char *listen_address; /* "": off */
	bool enable_lifecycle; /* POST /-/reload; false */
	char **allowed_hosts; /* further names in the Host field of requests */
	size_t allowed_host_count;
	size_t history_max_bytes; /* 8 MiB */
};

struct config {
	char *path; /* NULL: the zero configuration */
	struct docker_sd_options *docker;
	size_t docker_count;
	struct labels *targets; /* `targets:` */
	size_t target_count;
	struct file_sd_options *files;
	size_t file_sd_count;
	struct relabel_rules *rules; /* never NULL after config_load() or config_default() */
	struct ebpf_options ebpf;
	struct write_options write;
	struct {
		enum log_level level;
		enum log_format format;
		bool level_set, format_set; /* given in the file */
	} log;
	struct web_face_options web;
	struct {
		char *socket; /* "": none */
	} control;
	/* The file as it was written, for people: secrets are "<secret>", variables stand as they are. */
	char *shown;
};

/* One mistake of a file. */
struct config_problem {
	unsigned line, column; /* 1-based; 0: the file as a whole */
	char *message; /* what is wrong, and what to write instead */
};

struct config_problems {
	struct config_problem *list; /* sorted by line and column */
	size_t count, capacity;
};

void config_problems_release(struct config_problems *problems);
/* "FILE:LINE:COL: message" */
void config_problem_format(struct strbuf *out, const char *path, const struct config_problem *p);

/*
 * Reads the file. 0; -EINVAL with at least one problem; or another -errno with err where it cannot be
 * read at all. On failure *ret is released. Environment variables are taken from environ.
 */
int config_load(const char *path, struct config *ret, struct config_problems *problems,
	struct error *err) MUST_CHECK;
/* The same from memory; `path` is used in messages. The face for tests and fuzzing. */
int config_parse(const char *path, const char *text, size_t len, struct config *ret,
	struct config_problems *problems) MUST_CHECK;
/*
 * No file: every container of the local engine, pushed to the server that the environment names, or
 * kept as files where it names none. -EINVAL where a variable is unusable.
 */
int config_default(struct config *ret, struct error *err) MUST_CHECK;
void config_release(struct config *config);

/* What each key means, as Markdown: the heart of docs/dockprof.yml.5.md. */
void config_reference_add(struct strbuf *out);

/* The label sets of a file_sd file (JSON or YAML, as Prometheus reads them). */
int config_load_target_file(const char *path, struct labels **ret_sets, size_t *ret_count,
	struct error *err) MUST_CHECK;
/* The same from memory; `path` is used in the message, which tells the first mistake. */
int config_parse_target_file(const char *path, const char *text, size_t len,
	struct labels **ret_sets, size_t *ret_count, struct error *err) MUST_CHECK;

#endif
