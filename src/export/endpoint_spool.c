// SPDX-License-Identifier: Apache-2.0
/*
 * Between an endpoint and its spool. A profile is in memory while the server is fine and fast; it is on
 * disk as soon as it is not:
 *
 *	trouble (an attempt failed)     all that wait in memory move there, new ones go there at once
 *	memory budget, the end          those that have to make room move there
 *	slow (another interval begins)  it is written there and stays in memory as well, with a ticket
 *
 * so that a crash costs the interval that is being sent and none before it. From there they are taken
 * the oldest first, where nothing fresh waits, and never with the last connections, so that fresh ones
 * do not wait for old ones either.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sha1.h"
#include "export/endpoint_inside.h"

/* Bytes of a directory's name. */
#define HOST_SHOWN   40
#define DIGEST_SHOWN 6
/* In memory at a time, of those taken; one at least. */
#define REPLAY_BYTES ((size_t)4 << 20)

static void tell_error(struct endpoint *e, int code)
{
	struct error err = {0};

	error_set_errno(&err, code, "the spool %s takes no profiles", spool_path(e->spool));
	endpoint_tell_once(e, WRITER_SPOOL_FAILED, &err);
}

/* Where there is a ticket already it is on disk already. */
static bool write_to_spool(struct endpoint *e, struct delivery *d, struct spool_ticket **ret_ticket)
{
	const struct spool_profile profile = {
		.time_ns = d->parcel->time_ns,
		.value = d->parcel->value,
		.request = d->parcel->request,
		.len = d->parcel->len,
		.attempts = d->attempts,
	};
	int r = spool_append(e->spool, &profile, ret_ticket);

	if (r < 0)
		tell_error(e, r);
	return r == 0;
}

bool endpoint_to_spool(struct endpoint *e, struct delivery *d)
{
	struct write_count count = parcel_count(d->parcel);

	if (!e->spool)
		return false;
	if (d->ticket) {
		if (!spool_put_back(e->spool, steal_ptr(&d->ticket), d->attempts) &&
			!write_to_spool(e, d, NULL))
			return false;
	} else if (!write_to_spool(e, d, NULL)) {
		return false;
	}
	write_count_add(&e->spool_net, &count);
	write_count_sub(&e->stats.waiting, &count);
	delivery_free(d);
	return true;
}

void endpoint_spool_waiting(struct endpoint *e)
{
	list_for_each_safe(n, &e->waiting)
		if (!endpoint_to_spool(e, list_entry(n, struct delivery, of_endpoint)))
			return;
}

static bool secure_all(struct endpoint *e, const struct list_node *deliveries)
{
	list_for_each(n, deliveries) {
		struct delivery *d = list_entry(n, struct delivery, of_endpoint);

		if (!d->ticket && !write_to_spool(e, d, &d->ticket))
			return false;
	}
	return true;
}

void endpoint_secure(struct endpoint *e)
{
	if (e->spool && secure_all(e, &e->in_flight))
		secure_all(e, &e->waiting);
}

struct delivery *endpoint_take(struct endpoint *e)
{
	struct strbuf request cleanup_strbuf = STRBUF_INIT;
	struct spool_profile profile;
	struct spool_ticket *ticket;

	if (!e->spool || !e->replaying || e->draining || e->replays.bytes >= REPLAY_BYTES)
		return NULL;
	ticket = spool_take(e->spool, &request, &profile);
	if (!ticket)
		return NULL;
	struct parcel *parcel = parcel_new(&e->replays, &request);

	parcel->time_ns = profile.time_ns;
	parcel->value = profile.value;
	struct delivery *d = delivery_new(parcel, e);
	struct write_count count = parcel_count(parcel);

	parcel_release(parcel);
	d->ticket = ticket;
	d->attempts = profile.attempts;
	write_count_sub(&e->spool_net, &count);
	write_count_add(&e->stats.waiting, &count);
	return d;
}

static const struct endpoint *next_with(const struct endpoint *e, const struct spool *spool)
{
	for (; e; e = e->predecessor)
		if (e->spool == spool)
			return e;
	return NULL;
}

static const struct endpoint *newest(const struct endpoint *e)
{
	while (e->successor)
		e = e->successor;
	return e;
}

static uint64_t above_zero(uint64_t net)
{
	return net <= INT64_MAX ? net : 0;
}

/*
 * What is in a spool now (ret_there) and was found there (ret_found), for the row of endpoints whose
 * newest is e. Where somebody else has it by now (two endpoints may have exchanged theirs), only what the
 * row put there is its own.
 */
static void account(const struct endpoint *e, const struct spool *spool,
	struct write_count *ret_there, struct write_count *ret_found)
{
	struct write_count net = {0};
	unsigned members = 0;

	for (const struct endpoint *p = e; (p = next_with(p, spool)); p = p->predecessor) {
		write_count_add(&net, &p->spool_net);
		members++;
	}
	*ret_there = spool_count(spool);
	if (spool != e->spool && spool_refs(spool) > members)
		*ret_there = (struct write_count){above_zero(net.profiles), above_zero(net.bytes),
			above_zero(net.value)};
	*ret_found = *ret_there;
	write_count_sub(ret_found, &net);
}

void endpoint_spool_stats(const struct endpoint *e, struct write_stats *ret)
{
	for (const struct endpoint *p = e; p; p = p->predecessor) {
		struct write_count there, found;

		if (!p->spool || next_with(e, p->spool) != p)
			continue;
		account(e, p->spool, &there, &found);
		write_count_add(&ret->spooled, &there);
		write_count_add(&ret->recovered, &found);
	}
	if (e->spool)
		spool_stats(e->spool, ret);
}

static const char *explain(enum write_drop why)
{
	switch (why) {
	case WRITE_DROP_AGE:
		return "profiles on disk are older than the server takes (spool.max_age)";
	case WRITE_DROP_SPOOL:
		return "the oldest profiles on disk made room: more wait than spool.max_bytes";
	default:
		return "profiles on disk could not be read any more";
	}
}

static void on_dropped(void *ctx, enum write_drop why, const struct write_count *count)
{
	struct endpoint *e = ctx;
	struct error err = {0};

	write_count_add(&e->stats.dropped[why], count);
	write_count_sub(&e->spool_net, count);
	error_set(&err, -ECANCELED, "%s", explain(why));
	endpoint_tell_once(e, WRITER_DROPPED, &err);
}

void endpoint_use_spool(struct endpoint *e, struct spool *spool)
{
	e->spool = spool;
}

void endpoint_limit_spool(struct endpoint *e, const struct spool_options *options)
{
	if (e->spool)
		spool_set_limits(e->spool, options);
}

void endpoint_own_spool(struct endpoint *e)
{
	const struct spool_listener listener = {.dropped = on_dropped, .ctx = e};
	struct error err = {0};

	if (!e->spool)
		return;
	e->replaying = true;
	spool_listen(e->spool, &listener);
	if (!spool_count(e->spool).profiles)
		return;
	error_set(&err, 0, "%" PRIu64 " profiles", spool_count(e->spool).profiles);
	endpoint_tell(e, WRITER_SPOOL_FOUND, &err);
}

bool endpoint_has_spool(const struct endpoint *e, const char *path)
{
	return e->spool && strcmp(spool_path(e->spool), path) == 0;
}

struct spool *endpoint_pass_spool(struct endpoint *e, const char *path)
{
	return endpoint_has_spool(e, path) ? spool_ref(e->spool) : NULL;
}

void endpoint_retire(struct endpoint *e)
{
	e->replaying = false;
	e->retired = true;
}

/* Another endpoint of its row that has its spool. */
static struct endpoint *co_owner(struct endpoint *e)
{
	for (struct endpoint *p = e->successor; p; p = p->successor)
		if (p->spool == e->spool)
			return p;
	for (struct endpoint *p = e->predecessor; p; p = p->predecessor)
		if (p->spool == e->spool)
			return p;
	return NULL;
}

/* Its counters are the heir's from now on, who must not find what is in a spool that it does not have. */
static void leave_to(struct endpoint *heir, const struct endpoint *e)
{
	struct write_count there, found;

	account(newest(heir), e->spool, &there, &found);
	write_count_add(&heir->stats.recovered, &found);
	write_count_add(&heir->stats.dropped[WRITE_DROP_LEFT], &there);
}

static void tell_left(struct endpoint *e)
{
	struct error err = {0};
	uint64_t profiles = spool_count(e->spool).profiles;

	if (!e->retired || spool_refs(e->spool) > 1 || !profiles)
		return;
	error_set(&err, 0, "%" PRIu64 " profiles in %s", profiles, spool_path(e->spool));
	endpoint_tell(e, WRITER_SPOOL_LEFT, &err);
}

void endpoint_leave_spool(struct endpoint *e)
{
	struct endpoint *other = e->spool ? co_owner(e) : NULL;

	if (!e->spool)
		return;
	if (other)
		write_count_add(&other->spool_net, &e->spool_net);
	else if (e->successor)
		leave_to(e->successor, e);
	tell_left(e);
	if (e->replaying)
		spool_listen(e->spool, &(struct spool_listener){0});
	spool_unref(steal_ptr(&e->spool));
}

static void add_host(struct strbuf *out, const char *url)
{
	const char *at = strstr(url, "://");
	const char *host = at ? at + 3 : url;
	size_t len = strcspn(host, "/?#");

	for (size_t i = 0; i < len; i++)
		if (host[i] == '@') { /* a password is nothing for a file's name */
			host += i + 1;
			len -= i + 1;
			i = 0;
		}
	for (size_t i = 0; i < len && i < HOST_SHOWN; i++)
		strbuf_add_char(out,
			isascii(host[i]) && isalnum((unsigned char)host[i]) ? host[i] : '_');
}

void endpoint_spool_name(const struct write_endpoint_options *o, struct strbuf *out)
{
	struct strbuf key cleanup_strbuf = STRBUF_INIT;
	uint8_t digest[SHA1_SIZE];

	strbuf_addf(&key, "%s\n%s", o->url, o->tenant_id ? o->tenant_id : "");
	sha1(key.buf, key.len, digest);
	add_host(out, o->url);
	strbuf_add_char(out, '-');
	for (size_t i = 0; i < DIGEST_SHOWN; i++)
		strbuf_addf(out, "%02x", digest[i]);
}
