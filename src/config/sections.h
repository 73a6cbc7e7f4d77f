// SPDX-License-Identifier: Apache-2.0
/* The sections of dockprof.yml, one per source file. */
#ifndef CONFIG_SECTIONS_H
#define CONFIG_SECTIONS_H

#include <stdbool.h>

#include "config/schema.h"

extern const struct config_section root_section; /* struct config */
extern const struct config_section docker_section; /* struct docker_sd_options */
extern const struct config_section docker_filter_section; /* struct docker_filter */
extern const struct config_section file_sd_section; /* struct file_sd_options */
extern const struct config_section http_section; /* struct http_client_options */
extern const struct config_section http_basic_auth_section;
extern const struct config_section http_authorization_section;
extern const struct config_section http_oauth2_section; /* struct http_oauth2_options */
extern const struct config_section http_tls_section; /* struct http_tls_options */
extern const struct config_section http_proxy_section; /* struct http_proxy_options */
extern const struct config_section http_header_section; /* of http_section.c only */
extern const struct config_section rule_section; /* of relabel_section.c only */
extern const struct config_section ebpf_section; /* struct ebpf_options */
extern const struct config_section ebpf_symbols_section;
extern const struct config_section ebpf_unwind_section;
extern const struct config_section write_section; /* struct write_options */
extern const struct config_section write_endpoint_section; /* struct write_endpoint_options */
extern const struct config_section write_file_section; /* struct write_options */
extern const struct config_section write_spool_section; /* struct write_options */
extern const struct config_section log_section; /* struct config */
extern const struct config_section control_section; /* struct config */
extern const struct config_section web_section; /* struct web_face_options */

extern const struct list_type docker_list;
extern const struct list_type file_sd_list;
extern const struct list_type endpoint_list;

void ebpf_options_init(struct ebpf_options *o);
void web_options_init(struct web_face_options *o);
void web_options_release(struct web_face_options *o);
void file_sd_options_init(struct file_sd_options *o);
void file_sd_options_release(struct file_sd_options *o);

/* KEY_CUSTOM: `relabel_configs`, into a struct config. */
void relabel_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object);
/* KEY_CUSTOM: `targets`, into a struct config. */
void targets_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object);

/* KEY_CUSTOM: a map of names and values, into the struct http_client_options at the key's offset.
 */
void headers_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object);

/* A problem where more than one of the names, which end with NULL, is there. */
void at_most_one(struct config_reader *r, const struct node *map, const char *const *names);
#define AT_MOST_ONE(r, map, ...) at_most_one(r, map, (const char *const[]){__VA_ARGS__, NULL})

/*
 * A map of label names and values into `labels`. what: "a target", for messages. expand: ${VAR} in
 * values. Empty values are no labels, as everywhere. False where a problem was added. Neither their
 * number nor what they hold can be large, whatever aliases repeat.
 */
bool labels_read(struct config_reader *r, const char *what, bool expand, const struct node *map,
	struct labels *labels);
/* Whether the scalar is short enough for a label; false with a problem added. */
bool label_fits(struct config_reader *r, const char *what, const struct node *text);

/* What is wrong with it; NULL: nothing. */
const char *external_name_problem(const char *name);
/* Why it is none that may be set; NULL: it may. */
const char *header_name_problem(const char *name);
bool header_value_ok(const char *value);

#define WRITE_DEFAULT_DIRECTORY "/var/lib/dockprof/profiles"
#define HEADERS_MAX             64
/*
 * What the file leaves open and the variables of the Pyroscope SDKs say: labels; where profiles go, where it
 * names neither endpoint nor directory. -EINVAL where a variable is unusable.
 */
int write_options_from_environment(struct write_options *o, struct error *err);
/* One entry with the defaults, where the file names no source of targets. */
void docker_default(struct config *config);

#endif
