// SPDX-License-Identifier: Apache-2.0
/*
 * From what a person types to entries. The first of these that fits anything decides: the name as
 * Docker shows it (a slash in front is forgiven), a service, a container id or at least four digits of
 * its beginning, a pid. Where nothing fits, the names that are closest by letters are offered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/suggest.h"
#include "status_table.h"

#define ID_PREFIX_MIN 4 /* shorter ones are rather a name that was mistyped */

typedef bool (*fits_fn)(const struct status_entry *e, const char *word);

static bool fits_name(const struct status_entry *e, const char *word)
{
	return strcmp(e->name, word + (*word == '/')) == 0;
}

static const char *compose_service(const struct status_entry *e)
{
	return e->target ? labels_get(&e->target->discovered,
				   "__meta_docker_container_label_com_docker_compose_service")
			 : "";
}

static bool fits_service(const struct status_entry *e, const char *word)
{
	return strcmp(e->service_name, word) == 0 || strcmp(compose_service(e), word) == 0;
}

static bool fits_id(const struct status_entry *e, const char *word)
{
	size_t len = strlen(word);

	return len >= ID_PREFIX_MIN && strncmp(e->id, word, len) == 0;
}

static bool fits_pid(const struct status_entry *e, const char *word)
{
	return e->pid && e->pid == strtoul(word, NULL, 10);
}

static void take_all(const struct status_entry *const *list, size_t count, fits_fn fits,
	const char *word, struct status_match *ret)
{
	for (size_t i = 0; i < count; i++)
		if (fits(list[i], word))
			ret->list[ret->count++] = list[i];
}

/* Those that run before those that are gone: of one name, the older ones are what it was before. */
static void prefer_living(struct status_match *m)
{
	size_t living = 0;

	for (size_t i = 0; i < m->count; i++)
		if (m->list[i]->state != STATUS_EXITED)
			m->list[living++] = m->list[i];
	if (living)
		m->count = living;
}

/* Keeps the closest, best first; each name once. */
static void offer(struct status_match *m, size_t *distances, const char *name, size_t distance)
{
	size_t at = 0;

	if (!*name)
		return;
	for (size_t i = 0; i < STATUS_SUGGESTIONS; i++)
		if (m->suggestions[i] && strcmp(m->suggestions[i], name) == 0)
			return;
	while (at < STATUS_SUGGESTIONS && m->suggestions[at] && distances[at] <= distance)
		at++;
	if (at == STATUS_SUGGESTIONS)
		return;
	for (size_t i = STATUS_SUGGESTIONS - 1; i > at; i--) {
		m->suggestions[i] = m->suggestions[i - 1];
		distances[i] = distances[i - 1];
	}
	m->suggestions[at] = name;
	distances[at] = distance;
}

/* A name that holds the word, or is held by it, is close whatever its length. */
static size_t distance(const char *word, const char *name, size_t limit)
{
	if (*name && (strstr(name, word) || strstr(word, name)))
		return 1;
	return edit_distance(word, name, limit);
}

static void suggest(const struct status_entry *const *list, size_t count, const char *word,
	struct status_match *ret)
{
	size_t limit = suggest_limit(word) + 1, distances[STATUS_SUGGESTIONS];

	for (size_t i = 0; *word && i < count; i++) {
		const char *names[] = {list[i]->name, list[i]->service_name,
			compose_service(list[i])};

		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			size_t d = distance(word, names[k], limit);

			if (d <= limit)
				offer(ret, distances, names[k], d);
		}
	}
}

void status_find(struct status *s, const char *word, struct status_match *ret)
{
	static const fits_fn ways[] = {fits_name, fits_service, fits_id, fits_pid};
	const struct status_entry *const *list;
	size_t count = status_list(s, &list);

	*ret = (struct status_match){.list = xcalloc(count + 1, sizeof(*ret->list))};
	for (size_t i = 0; *word && i < ARRAY_SIZE(ways) && !ret->count; i++)
		take_all(list, count, ways[i], word, ret);
	prefer_living(ret);
	if (!ret->count)
		suggest(list, count, word, ret);
}

void status_match_release(struct status_match *m)
{
	free(m->list);
	*m = (struct status_match){0};
}
