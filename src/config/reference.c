// SPDX-License-Identifier: Apache-2.0
/* The tables as text. docs/dockprof.yml.5.md holds exactly this; a test compares. */
#include "config/scalar.h"
#include "config/sections.h"

static const struct config_section *const sections[] = {
	&root_section,
	&docker_section,
	&docker_filter_section,
	&file_sd_section,
	&rule_section,
	&ebpf_section,
	&ebpf_symbols_section,
	&ebpf_unwind_section,
	&write_section,
	&write_endpoint_section,
	&write_file_section,
	&write_spool_section,
	&log_section,
	&web_section,
	&control_section,
	&http_section,
	&http_basic_auth_section,
	&http_authorization_section,
	&http_oauth2_section,
	&http_tls_section,
	&http_proxy_section,
	&http_header_section,
};

static void add_key(struct strbuf *out, const struct config_key *key)
{
	strbuf_addf(out, "**%s** (", key->name);
	key_add_type(out, key);
	if (key->flags & KEY_REQUIRED)
		strbuf_add_str(out, "; required");
	if (key->def)
		strbuf_addf(out, "; default `%s`", key->def);
	strbuf_addf(out, ")\n:   %s\n\n", key->help);
}

static void add_refused(struct strbuf *out, const struct config_section *section)
{
	size_t count = 0;

	for (const struct config_key *k = section->keys; k->name; k++)
		if (k->type == KEY_REFUSED)
			strbuf_addf(out, "%s`%s`",
				count++ ? ", "
					: "Not supported, with an error "
					  "that says what to write instead: ",
				k->name);
	if (count)
		strbuf_add_str(out, ".\n\n");
}

void config_reference_add(struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		strbuf_addf(out, "### %s\n\n%s\n\n", sections[i]->name, sections[i]->help);
		for (const struct config_key *k = sections[i]->keys; k->name; k++) {
			if (k->type == KEY_INLINE)
				strbuf_addf(out, "Also the keys under *%s*, below.\n\n",
					k->section->name);
			else if (k->type != KEY_REFUSED)
				add_key(out, k);
		}
		add_refused(out, sections[i]);
	}
}
