// SPDX-License-Identifier: Apache-2.0
/*
 * In this order, as pyroscope.write has it where it has the step:
 *
 *  1. names that start with "__" stay here, except __name__ and __delta__;
 *  2. each name is brought to [a-zA-Z_.][a-zA-Z0-9_.]* (older servers take no others), each value to valid UTF-8,
 *     both to their length; of two names that become one, the one that was right before wins, else the first in
 *     byte order;
 *  3. external labels replace and remove;
 *  4. __name__ and service_name are there;
 *  5. of too many labels these stay: __name__, service_name, external labels, then by name.
 *
 * The server would refuse a whole profile for one bad label, so a wrong label costs that label only.
 */
#include "export/labels_wire.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

#define NAME_SHOWN  64 /* bytes of a name in a message */
#define REPAIRS_MAX 400 /* bytes of the message; a container can bring any number of labels */

static bool is_public(const char *name)
{
	return strncmp(name, "__", 2) != 0 || strcmp(name, "__name__") == 0 ||
		strcmp(name, "__delta__") == 0;
}

static bool name_is_right(const char *name)
{
	size_t len = 0;

	for (; name[len]; len++)
		if (!(isascii(name[len]) && isalnum((unsigned char)name[len])) &&
			name[len] != '_' && name[len] != '.')
			return false;
	return len <= WIRE_MAX_NAME && !isdigit((unsigned char)name[0]);
}

static void repair_name(struct strbuf *out, const char *name)
{
	size_t len = strlen(name);
	uint32_t code_point;

	if (isdigit((unsigned char)name[0]))
		strbuf_add_char(out, '_');
	for (size_t i = 0; i < len && out->len < WIRE_MAX_NAME;) {
		size_t n = utf8_decode(name + i, len - i, &code_point);
		bool fine = n == 1 &&
			(isalnum((int)code_point) || code_point == '_' || code_point == '.');

		strbuf_add_char(out, fine ? name[i] : '_');
		i += n ? n : 1;
	}
}

static void note(struct strbuf *repairs, const char *name, const char *what)
{
	if (repairs->len > REPAIRS_MAX)
		return;
	strbuf_add_str(repairs, repairs->len ? "; \"" : "\"");
	text_add_safe(repairs, name, strlen(name), NAME_SHOWN);
	strbuf_addf(repairs, "\" %s", what);
}

static void set_value(struct labels *wire, const char *name, const char *value,
	struct strbuf *repairs)
{
	struct strbuf repaired cleanup_strbuf = STRBUF_INIT;
	size_t len = strlen(value);

	if (!utf8_valid(value, len)) {
		/* A longer one is cut below; the repair may make it three times as long. */
		utf8_repair(&repaired, value, MIN(len, (size_t)WIRE_MAX_VALUE + UTF8_MAX));
		note(repairs, name, "was not valid UTF-8");
	} else if (len > WIRE_MAX_VALUE) {
		strbuf_add(&repaired, value, len);
	} else {
		labels_set(wire, name, value);
		return;
	}
	if (repaired.len > WIRE_MAX_VALUE) {
		strbuf_set_len(&repaired, utf8_cut(repaired.buf, repaired.len, WIRE_MAX_VALUE));
		note(repairs, name, "was cut to 2048 bytes");
	}
	labels_set(wire, name, repaired.buf);
}

static void add_renamed(struct labels *wire, const struct label *label, struct strbuf *repairs)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;

	repair_name(&name, label->name);
	if (strncmp(name.buf, "__", 2) == 0 || labels_has(wire, name.buf)) {
		note(repairs, label->name, "was left out, its name is not allowed");
		return;
	}
	note(repairs, label->name,
		"was renamed, only a-z A-Z 0-9 _ . are allowed, and no digit first");
	set_value(wire, name.buf, label->value, repairs);
}

static void add_public(struct labels *wire, const struct labels *labels, struct strbuf *repairs)
{
	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->list[i];

		if (is_public(l->name) && name_is_right(l->name))
			set_value(wire, l->name, l->value, repairs);
	}
	for (size_t i = 0; i < labels->count; i++)
		if (is_public(labels->list[i].name) && !name_is_right(labels->list[i].name))
			add_renamed(wire, &labels->list[i], repairs);
}

static void add_external(struct labels *wire, const struct write_options *options,
	struct strbuf *repairs)
{
	for (size_t i = 0; i < options->external_labels.count; i++) {
		const struct label *l = &options->external_labels.list[i];

		if (name_is_right(l->name))
			set_value(wire, l->name, l->value, repairs);
		else
			add_renamed(wire, l, repairs);
	}
	for (size_t i = 0; i < options->external_label_removal_count; i++)
		labels_set(wire, options->external_label_removals[i], "");
}

static bool is_external(const struct write_options *options, const char *name)
{
	return labels_has(&options->external_labels, name);
}

static bool is_essential(const char *name)
{
	return strcmp(name, "__name__") == 0 || strcmp(name, "service_name") == 0;
}

/* The last one by name that may go; external ones only where nothing else is left. */
static const struct label *least_wanted(const struct labels *wire,
	const struct write_options *options)
{
	const struct label *external = NULL;

	for (size_t i = wire->count; i-- > 0;) {
		const struct label *l = &wire->list[i];

		if (is_essential(l->name))
			continue;
		if (!is_external(options, l->name))
			return l;
		if (!external)
			external = l;
	}
	return external;
}

static void drop_surplus(struct labels *wire, const struct write_options *options,
	struct strbuf *repairs)
{
	if (wire->count > WIRE_MAX_LABELS)
		strbuf_addf(repairs,
			"%s%zu labels where %d are allowed, left out:", repairs->len ? "; " : "",
			wire->count, WIRE_MAX_LABELS);
	while (wire->count > WIRE_MAX_LABELS) {
		char *name = least_wanted(wire, options)->name;

		if (repairs->len <= REPAIRS_MAX) {
			strbuf_add_str(repairs, " \"");
			text_add_safe(repairs, name, strlen(name), NAME_SHOWN);
			strbuf_add_char(repairs, '"');
		}
		labels_set(wire, name, "");
	}
}

void labels_wire(struct labels *wire, const struct labels *labels,
	const struct write_options *options, struct strbuf *repairs)
{
	add_public(wire, labels, repairs);
	add_external(wire, options, repairs);
	if (!labels_has(wire, "__name__"))
		labels_set(wire, "__name__", "process_cpu");
	if (!labels_has(wire, "service_name"))
		labels_set(wire, "service_name", "unspecified");
	drop_surplus(wire, options, repairs);
}
