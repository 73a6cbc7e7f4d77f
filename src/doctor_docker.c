// SPDX-License-Identifier: Apache-2.0
/* The same discovery as the agent's, once; what it says is sorted by what the user can do about it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "discover.h"
#include "doctor.h"

#define PATIENCE_NS (6 * NSEC_PER_SEC) /* longer than the ping's own limit */

struct visit {
	struct doctor *d;
	struct loop *loop;
	struct http *http;
	struct discover *discover;
	struct error trouble; /* of an engine */
	bool no_events,
		no_networks; /* an engine, or what stands in front of it, does not tell them */
	char *host;
};

static void on_target(void *ctx, const struct target *t, bool news)
{
	(void)ctx;
	(void)t;
	(void)news;
}

static void on_engine(void *ctx, const struct docker_discovery *docker,
	enum docker_connection state, const struct error *err)
{
	struct visit *v = ctx;

	if (state == DOCKER_CONNECTED || !err)
		return;
	v->trouble = *err;
	free(v->host);
	v->host = xstrdup(docker_discovery_host(docker));
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	struct visit *v = ctx;

	v->no_events |= strstr(err->message, "/events") != NULL;
	v->no_networks |= strstr(err->message, "/networks") != NULL;
	if (strstr(err->message, "/events"))
		doctor_add(v->d, "docker_events", CHECK_WARN,
			"let the socket proxy pass GET /events (EVENTS=1)", "%s: %s", where,
			err->message);
	else if (strstr(err->message, "/networks"))
		doctor_add(v->d, "docker_networks", CHECK_WARN,
			"let the socket proxy pass GET /networks (NETWORKS=1), or do without "
			"__meta_docker_network_* labels",
			"%s: %s", where, err->message);
	else
		doctor_add(v->d, "sources", CHECK_WARN, "", "%s: %s", where, err->message);
}

static const struct discover_ops ops = {
	.target = on_target,
	.engine = on_engine,
	.notice = on_notice,
};

#define MOUNT_FIX                                                                                  \
	"in the compose file: `volumes: [\"/var/run/docker.sock:/var/run/docker.sock:ro\"]`; "     \
	"elsewhere set DOCKER_HOST or docker_sd_configs"

static void tell_trouble(const struct visit *v)
{
	const struct error *e = &v->trouble;
	bool refused = strstr(e->message, "GET ") != NULL;
	const char *id = "docker_engine", *fix = "is it a Docker Engine that answers there?";

	if (e->code == -ENOENT) {
		id = "docker_socket";
		fix = MOUNT_FIX;
	} else if (e->code == -ECONNREFUSED || e->code == -EHOSTUNREACH) {
		id = "docker_daemon";
		fix = "start the Docker Engine; where it was restarted under a container that "
		      "mounts its socket, restart that container";
	} else if (e->code == -EACCES && refused) {
		id = "docker_access";
		fix = "let the socket proxy pass GET /_ping, /containers/json and /events "
		      "(CONTAINERS=1 EVENTS=1 PING=1)";
	} else if (e->code == -EACCES) {
		id = "docker_permission";
		fix = "run dockprof as root, or in the group that owns the socket";
	} else if (e->code == -EPROTONOSUPPORT) {
		id = "docker_api";
		fix = "update the Docker Engine to 1.12 or newer";
	} else if (e->code == -ETIMEDOUT) {
		id = "docker_answer";
		fix = "look at the engine's log: it accepts connections and does not answer";
	}
	doctor_add(v->d, id, CHECK_FAIL, fix, "%s: %s", v->host ? v->host : "the engine",
		e->message);
}

static void tell_engines(const struct visit *v)
{
	for (size_t i = 0; i < discover_engine_count(v->discover); i++) {
		struct docker_discovery_stats stats;
		struct discover_engine e;

		discover_engine(v->discover, i, &e);
		docker_discovery_stats(e.docker, &stats);
		doctor_add(v->d, "docker_engine", CHECK_PASS, "",
			"%s: Docker Engine %s, API %s, %zu containers",
			docker_discovery_host(e.docker), docker_discovery_engine_version(e.docker),
			docker_discovery_api_version(e.docker), stats.containers);
	}
	if (discover_engine_count(v->discover) && !v->no_events)
		doctor_add(v->d, "docker_events", CHECK_PASS, "",
			"containers that come are told at once");
	if (discover_engine_count(v->discover) && !v->no_networks)
		doctor_add(v->d, "docker_networks", CHECK_PASS, "", "labels of networks are told");
}

/* The rule that drops the most. */
static size_t worst_rule(const struct visit *v, size_t *ret_dropped)
{
	size_t rules = relabel_rules_count(discover_rules(v->discover)), worst = 0;
	size_t *counts cleanup_free = xcalloc(rules + 1, sizeof(size_t));

	list_for_each(n, &discover_targets(v->discover)->targets) {
		const struct target *t = list_entry(n, struct target, in_table);

		if (!t->gone && t->verdict == TARGET_DROPPED && t->dropped_by < rules)
			counts[t->dropped_by]++;
	}
	for (size_t i = 0; i < rules; i++)
		if (counts[i] > counts[worst])
			worst = i;
	*ret_dropped = counts[worst];
	return worst;
}

static void tell_targets(const struct visit *v)
{
	size_t profiled, other, dropped, rule = worst_rule(v, &dropped);

	discover_count(v->discover, &profiled, &other);
	if (profiled)
		doctor_add(v->d, "targets", CHECK_PASS, "", "%zu to be profiled, %zu not", profiled,
			other);
	else if (dropped)
		doctor_add(v->d, "targets", CHECK_WARN,
			"change the rule; `dockprof explain` says what each does",
			"the rules leave nothing to profile: %zu of %zu are dropped at %s", dropped,
			other, relabel_rule_where(discover_rules(v->discover), rule));
	else
		doctor_add(v->d, "targets", CHECK_WARN, "",
			"no container runs that could be profiled");
}

static int wait_for_engines(struct visit *v)
{
	int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
	int r = 0;

	while (r == 0 && !discover_complete(v->discover) && !v->trouble.code) {
		int64_t left = deadline - clock_monotonic_ns();

		if (left <= 0)
			return error_set(&v->trouble, -ETIMEDOUT, "no answer within 6 s");
		r = loop_turn(v->loop, left);
	}
	return r < 0 ? error_set_errno(&v->trouble, r, "the event loop failed") : 0;
}

static int open_visit(struct visit *v, struct config *config)
{
	int r = loop_new(&v->loop);

	if (r == 0)
		r = http_new(v->loop, &v->http, &v->trouble);
	if (r == 0)
		r = discover_new(v->loop, v->http, &ops, v, &v->discover);
	if (r == 0)
		r = discover_apply(v->discover, config, &v->trouble);
	return r;
}

void doctor_check_docker(struct doctor *d, struct config *config)
{
	struct visit v = {.d = d};

	d->environment = true;
	if (open_visit(&v, config) == 0)
		wait_for_engines(&v);
	if (v.trouble.code) {
		tell_trouble(&v);
	} else {
		tell_engines(&v);
		tell_targets(&v);
	}
	discover_free(v.discover);
	if (v.http)
		http_free(v.http);
	loop_free(v.loop);
	free(v.host);
}
