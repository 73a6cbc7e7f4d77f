// SPDX-License-Identifier: Apache-2.0
/*
 * States in words: why, and what to do. Written for somebody who has never read the manual and has no
 * time to: no words of the program's inside, and each trouble names the line to change or the command
 * that tells more.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"
#include "status_table.h"

const char *status_state_name(enum status_state state)
{
	static const char *const names[STATUS_STATE_COUNT] = {
		[STATUS_PROFILED] = "profiled",
		[STATUS_STARTING] = "starting",
		[STATUS_IDLE] = "idle",
		[STATUS_PAUSED] = "paused",
		[STATUS_DROPPED] = "dropped",
		[STATUS_SELF] = "self",
		[STATUS_NO_KEY] = "no_key",
		[STATUS_NOT_RESOLVED] = "not_resolved",
		[STATUS_NOT_SAMPLED] = "not_sampled",
		[STATUS_UNREACHABLE] = "unreachable",
		[STATUS_FOREIGN] = "foreign",
		[STATUS_EXITED] = "exited",
	};

	return names[state];
}

bool status_state_is_trouble(enum status_state state)
{
	switch (state) {
	case STATUS_NO_KEY:
	case STATUS_NOT_RESOLVED:
	case STATUS_NOT_SAMPLED:
	case STATUS_UNREACHABLE:
		return true;
	default:
		return false;
	}
}

static void add_ago(struct strbuf *out, int64_t then_ns)
{
	int64_t ago = clock_realtime_ns() - then_ns;

	if (ago < NSEC_PER_SEC) {
		strbuf_add_str(out, "just now");
		return;
	}
	duration_add(out, ago / NSEC_PER_SEC * NSEC_PER_SEC);
	strbuf_add_str(out, " ago");
}

static void add_seconds(struct strbuf *out, uint64_t ns)
{
	if (ns < (uint64_t)NSEC_PER_SEC)
		strbuf_addf(out, "%.0f ms", (double)ns / NSEC_PER_MSEC);
	else
		strbuf_addf(out, "%.*f s", ns < 10 * (uint64_t)NSEC_PER_SEC ? 2 : 0,
			(double)ns / NSEC_PER_SEC);
}

static void add_profiled(struct strbuf *out, const struct status_entry *e)
{
	strbuf_addf(out, "profiled as \"%s\": %" PRIu64 " samples, the last ", e->service_name,
		e->samples);
	add_ago(out, e->last_sample_ns);
}

static void add_dropped(struct strbuf *out, const struct status *s, const struct status_entry *e)
{
	const struct relabel_rules *rules = discover_rules(s->discover);
	size_t i = e->target->dropped_by;

	strbuf_addf(out, "dropped by rule %zu of %zu, at %s: %s", i + 1, relabel_rules_count(rules),
		relabel_rule_where(rules, i), relabel_rule_text(rules, i));
}

static void add_idle(struct strbuf *out, const struct status *s, const struct status_entry *e)
{
	const char *why;

	strbuf_addf(out, "to be profiled as \"%s\"; no sample so far, ", e->service_name);
	if (e->pid || !*status_cgroup_root(s, &why)) {
		strbuf_add_str(out, "so it has used no CPU, or very little");
	} else if (!e->cgroup_path) {
		strbuf_add_str(out, "and its CPU time cannot be told");
	} else {
		strbuf_add_str(out, "it used ");
		add_seconds(out, e->cpu.kernel_ns);
		strbuf_add_str(out, " of CPU in the last ");
		duration_add(out, MAX(e->cpu.window_ns, NSEC_PER_SEC));
	}
}

/* The first engine that is out of reach; for a target, the one that told of it. */
static bool lost_engine(const struct status *s, const struct status_entry *e,
	struct discover_engine *ret)
{
	if (e->target)
		return discover_engine_of(s->discover, e->target->source, ret);
	for (size_t i = 0; i < discover_engine_count(s->discover); i++) {
		discover_engine(s->discover, i, ret);
		if (ret->state != DOCKER_CONNECTED)
			return true;
	}
	return false;
}

static void add_unreachable(struct strbuf *out, const struct status *s,
	const struct status_entry *e)
{
	struct discover_engine engine;

	strbuf_add_str(out, e->target ? "no samples, and" : "a container that cannot be named:");
	if (!lost_engine(s, e, &engine)) {
		strbuf_add_str(out, " an engine is out of reach");
		return;
	}
	strbuf_addf(out, " the engine %s is out of reach", docker_discovery_host(engine.docker));
	if (*engine.trouble)
		strbuf_addf(out, ": %s", engine.trouble);
}

static void add_not_resolved(struct strbuf *out, const struct status *s,
	const struct status_entry *e)
{
	strbuf_addf(out, "to be profiled as \"%s\", but ", e->service_name);
	if (e->pid)
		strbuf_addf(out, "there is no process %" PRIu32, e->pid);
	else
		strbuf_addf(out,
			"no cgroup is named after its id: none was sampled, and %s has none",
			status_cgroup_root(s, NULL));
}

static void add_not_sampled(struct strbuf *out, const struct status_entry *e)
{
	strbuf_addf(out, "to be profiled as \"%s\" and used ", e->service_name);
	add_seconds(out, e->cpu.kernel_ns);
	strbuf_add_str(out, " of CPU in the last ");
	duration_add(out, e->cpu.window_ns);
	strbuf_add_str(out, ", but no sample arrived");
}

static void add_exited(struct strbuf *out, const struct status_entry *e)
{
	strbuf_add_str(out, "exited ");
	add_ago(out, e->ended_ns);
	strbuf_addf(out, ", after %" PRIu64 " samples", e->samples);
}

static void add_starting(struct strbuf *out, const struct status *s, const struct status_entry *e)
{
	if (!e->target)
		strbuf_add_str(out,
			"a cgroup with a container's id, which the engine has not "
			"told of yet");
	else if (s->attribution)
		strbuf_addf(out, "to be profiled as \"%s\"; it was just found", e->service_name);
	else
		strbuf_addf(out, "to be profiled as \"%s\", once dockprof runs", e->service_name);
}

void status_add_reason(struct strbuf *out, const struct status *s, const struct status_entry *e)
{
	switch (e->state) {
	case STATUS_PROFILED:
		add_profiled(out, e);
		break;
	case STATUS_STARTING:
		add_starting(out, s, e);
		break;
	case STATUS_IDLE:
		add_idle(out, s, e);
		break;
	case STATUS_PAUSED:
		strbuf_addf(out, "paused; profiled as \"%s\" while it runs", e->service_name);
		break;
	case STATUS_DROPPED:
		add_dropped(out, s, e);
		break;
	case STATUS_SELF:
		strbuf_add_str(out, "not profiled: this is dockprof itself");
		break;
	case STATUS_NO_KEY:
		strbuf_add_str(out, "not profiled: its labels name no container id and no pid");
		break;
	case STATUS_NOT_RESOLVED:
		add_not_resolved(out, s, e);
		break;
	case STATUS_NOT_SAMPLED:
		add_not_sampled(out, e);
		break;
	case STATUS_UNREACHABLE:
		add_unreachable(out, s, e);
		break;
	case STATUS_FOREIGN:
		strbuf_add_str(out,
			"not profiled: no engine and no file that is followed "
			"knows this container");
		break;
	case STATUS_EXITED:
		add_exited(out, e);
		break;
	case STATUS_STATE_COUNT:
		break;
	}
}

static void add_idle_advice(struct strbuf *out, const struct status *s,
	const struct status_entry *e)
{
	const char *why;

	if (!e->pid && !*status_cgroup_root(s, &why))
		strbuf_addf(out,
			"to see what the kernel charges it, dockprof must see the host's cgroups "
			"(%s): `pid: host` and the capability SYS_PTRACE",
			why);
}

static void add_drop_advice(struct strbuf *out, const struct status *s,
	const struct status_entry *e)
{
	strbuf_addf(out,
		"change the rule at %s if that is not meant; `dockprof relabel --trace` tries rules",
		relabel_rule_where(discover_rules(s->discover), e->target->dropped_by));
}

void status_add_advice(struct strbuf *out, const struct status *s, const struct status_entry *e)
{
	switch (e->state) {
	case STATUS_IDLE:
		add_idle_advice(out, s, e);
		break;
	case STATUS_DROPPED:
		add_drop_advice(out, s, e);
		break;
	case STATUS_SELF:
		strbuf_add_str(out, "set ebpf.profile_self: true to profile it");
		break;
	case STATUS_NO_KEY:
		strbuf_add_str(out,
			"give the target a label __container_id__ or __process_pid__, "
			"and do not drop __meta_docker_container_id by a rule");
		break;
	case STATUS_NOT_RESOLVED:
		strbuf_add_str(out,
			e->pid ? "the process has ended, or dockprof runs without "
				 "`pid: host`"
			       : "does it run on this machine? An engine at another "
				 "host needs a dockprof there");
		break;
	case STATUS_NOT_SAMPLED:
		strbuf_add_str(out,
			"run `dockprof doctor`; if it finds nothing, this is a defect "
			"of dockprof: please report it with `dockprof explain --json`");
		break;
	case STATUS_UNREACHABLE:
		strbuf_add_str(out,
			"run `dockprof doctor`: it checks the way to the engine step "
			"by step");
		break;
	case STATUS_FOREIGN:
		strbuf_add_str(out,
			"if it is of another engine (Podman, a second Docker), add "
			"that to docker_sd_configs, or name it under targets: with "
			"__container_id__");
		break;
	default:
		break;
	}
}

/* What explains a difference, likeliest first. */
static void add_cause(struct strbuf *out, const struct cpu_summary *cpu)
{
	if (cpu->verdict == CPU_LOW && cpu->lost > 0.01)
		strbuf_addf(out, "; %.1f %% of all ticks of the machine were lost in that time",
			100 * cpu->lost);
	else if (cpu->verdict == CPU_LOW)
		strbuf_add_str(out,
			"; likely its cgroup holds other containers, which are "
			"charged by themselves, or the hypervisor took the CPU away "
			"(steal time)");
	else
		strbuf_add_str(out,
			"; likely it works in step with the sampler's clock (try "
			"another ebpf.sample_rate), or interrupts that the kernel "
			"charges nobody fell into it");
}

void status_add_proof(struct strbuf *out, const struct status_entry *e)
{
	const struct cpu_summary *cpu = &e->cpu;

	if (cpu->verdict == CPU_UNKNOWN) {
		strbuf_add_str(out, "its CPU time was not read yet");
		return;
	}
	strbuf_add_str(out, "samples stand for ");
	add_seconds(out, cpu->sampled_ns);
	strbuf_add_str(out, " of CPU, the kernel charged it ");
	add_seconds(out, cpu->kernel_ns);
	strbuf_add_str(out, " in the last ");
	duration_add(out, MAX(cpu->window_ns / NSEC_PER_SEC * NSEC_PER_SEC, NSEC_PER_SEC));
	if (cpu->verdict == CPU_TOO_LITTLE)
		strbuf_add_str(out, " (too little to compare)");
	else
		strbuf_addf(out, " (ratio %.2f)", cpu->ratio);
	if (cpu->verdict == CPU_LOW || cpu->verdict == CPU_HIGH)
		add_cause(out, cpu);
}
