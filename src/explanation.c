// SPDX-License-Identifier: Apache-2.0
/*
 * From the state outwards: is it profiled at all, do its samples add up, are its stacks whole, are its
 * frames named, do its profiles arrive. Each trouble comes with what can be done, or says that nothing can.
 */
#include "explanation.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "proc/cgroup_tree.h"
#include "symbols/frame.h"
#include "quality.h"

#define PROCS_MAX     (256U << 10) /* bytes of one cgroup.procs: some 40000 pids */
#define CUT_WORTH     0.05 /* of user stacks that end early */
#define UNNAMED_WORTH 0.10 /* of a module's frames without a name */
#define MODULE_WORTH  0.01 /* of the container's frames that a module must have */
#define FEW_FRAMES    100 /* before that, shares mean nothing */

static void add_trouble(struct explanation *x, char *what, const char *advice)
{
	x->troubles = xreallocarray(x->troubles, x->trouble_count + 1, sizeof(x->troubles[0]));
	x->troubles[x->trouble_count++] = (struct trouble){.what = what, .advice = xstrdup(advice)};
}

static bool hinders(const struct status_entry *e)
{
	return status_state_is_trouble(e->state) || e->state == STATUS_DROPPED ||
		e->state == STATUS_SELF || e->state == STATUS_FOREIGN;
}

static void state_trouble(struct explanation *x, const struct explain_view *view,
	const struct status_entry *e)
{
	struct strbuf what cleanup_strbuf = STRBUF_INIT, advice cleanup_strbuf = STRBUF_INIT;

	status_add_advice(&advice, view->status, e);
	if (!hinders(e) && !advice.len)
		return;
	status_add_reason(&what, view->status, e);
	add_trouble(x, strbuf_detach(&what), advice.buf);
}

static void proof_trouble(struct explanation *x, const struct status_entry *e)
{
	struct strbuf what cleanup_strbuf = STRBUF_INIT;

	if (e->state != STATUS_PROFILED ||
		(e->cpu.verdict != CPU_LOW && e->cpu.verdict != CPU_HIGH))
		return;
	strbuf_add_str(&what, "samples and the kernel's account differ: ");
	status_add_proof(&what, e);
	add_trouble(x, strbuf_detach(&what),
		e->cpu.lost > 0.01 ? "lower ebpf.sample_rate, or look at the losses in the metrics"
				   : "");
}

unsigned module_cause(const struct target_module *m)
{
	unsigned worst = MISSING_NOT;

	for (unsigned i = 1; i < MISSING_COUNT; i++)
		if (m->missing[i] > m->missing[worst])
			worst = i;
	return worst;
}

const char *module_advice(unsigned cause)
{
	static const char *const texts[MISSING_COUNT] = {
		[MISSING_MAPS] = "such processes live for less than the time it takes to look at "
				 "them; nothing can be done",
		[MISSING_JIT] =
			"let the runtime write a map of its code: node --perf-basic-prof, java with "
			"a perf map agent, DOTNET_PerfMapEnabled=1",
		[MISSING_FILE] = "the file was removed or replaced while the process runs: restart "
				 "the container after an update, and grant the capability "
				 "CHECKPOINT_RESTORE so that such files can still be opened",
		[MISSING_DAMAGED] = "the file is no program that can be read",
		[MISSING_STRIPPED] = "build it without stripping (no -s, no strip), or put its "
				     "separate debug file into the image or where dockprof runs "
				     "(/usr/lib/debug); distributions have packages of these "
				     "(Debian: NAME-dbgsym, of its archive debian-debug)",
		[MISSING_SYMBOL] = "its symbol table does not cover this code: hand-written "
				   "assembly, or symbols removed from the build",
		[MISSING_BUDGET] = "raise ebpf.symbols.max_bytes",
		[MISSING_KERNEL] = "grant the capability SYSLOG, or set kernel.kptr_restrict=0",
	};

	return cause < MISSING_COUNT && texts[cause] ? texts[cause] : "";
}

bool module_is_fine(const struct target_module *m, const struct target_quality *q)
{
	double unnamed = (double)(m->frames - m->named);

	return q->frames < FEW_FRAMES || (double)m->frames < MODULE_WORTH * (double)q->frames ||
		unnamed < UNNAMED_WORTH * (double)m->frames;
}

static int by_frames(const void *a, const void *b)
{
	const struct target_module *const *x = a, *const *y = b;

	return (*x)->frames != (*y)->frames ? ((*x)->frames < (*y)->frames ? 1 : -1)
					    : strcmp((*x)->path, (*y)->path);
}

const struct target_module **modules_sorted(const struct target_quality *q)
{
	const struct target_module **list = xcalloc(q->module_count + 1, sizeof(*list));

	for (size_t i = 0; i < q->module_count; i++)
		list[i] = &q->modules[i];
	qsort(list, q->module_count, sizeof(*list), by_frames);
	return list;
}

static void quality_troubles(struct explanation *x, const struct target_quality *q)
{
	const struct target_module **modules cleanup_free = modules_sorted(q);

	if (q->user_stacks >= FEW_FRAMES &&
		(double)quality_incomplete(q) > CUT_WORTH * (double)q->user_stacks) {
		struct strbuf what cleanup_strbuf = STRBUF_INIT;

		quality_describe_stacks(q, &what);
		add_trouble(x, strbuf_detach(&what),
			"keep unwind tables in the program (no strip of .eh_frame), or build it with "
			"-fno-omit-frame-pointer; `dockprof unwind FILE` shows what a file has");
	}
	for (size_t i = 0; i < q->module_count; i++) {
		const struct target_module *m = modules[i];
		unsigned cause = module_cause(m);

		if (module_is_fine(m, q))
			continue;
		add_trouble(x,
			xasprintf("%.1f %% of the frames in %s have no name: %s",
				100.0 * (double)(m->frames - m->named) / (double)m->frames, m->path,
				name_missing_text((enum name_missing)cause)),
			module_advice(cause));
	}
}

static void delivery_troubles(struct explanation *x, const struct writer *writer)
{
	for (size_t i = 0; writer && i < writer_endpoint_count(writer); i++) {
		struct write_stats s;

		writer_stats(writer, i, &s);
		uint64_t dropped = write_stats_dropped(&s).profiles;

		if (!s.reachable && s.added.profiles && !s.sent.profiles)
			add_trouble(x, xasprintf("no profile has reached %s yet", s.name),
				"run `dockprof doctor`: it checks the way to the server");
		else if (!s.reachable && s.added.profiles)
			add_trouble(x,
				xasprintf("%s is out of reach; %" PRIu64 " profiles wait", s.name,
					s.waiting.profiles + s.spooled.profiles),
				"run `dockprof doctor`: it checks the way to the server");
		else if (s.dropped[WRITE_DROP_REJECTED].profiles)
			add_trouble(x,
				xasprintf("%s has refused %" PRIu64 " profiles of all containers",
					s.name, s.dropped[WRITE_DROP_REJECTED].profiles),
				"the log of dockprof has the server's words");
		else if (dropped)
			add_trouble(x,
				xasprintf("%" PRIu64
					  " profiles of all containers for %s were given "
					  "up",
					dropped, s.name),
				"the log of dockprof says why");
	}
}

/* Processes. */

struct gathering {
	struct explanation *x;
	const struct cgroup_tree *tree;
	const struct explain_view *view;
};

static void add_process(struct explanation *x, const struct explain_view *view, uint32_t pid)
{
	struct explained_process p = {0};

	if (x->process_count == EXPLAIN_PROCESSES) {
		x->more_processes = true;
		return;
	}
	if (process_stat_read(view->proc, pid, &p.stat) < 0)
		return;
	p.stat.pid = pid;
	if (view->interp)
		interp_about(view->interp, pid, &p.language);
	x->processes[x->process_count++] = p;
}

static bool add_processes(void *ctx, const char *path, const char *name)
{
	struct gathering *g = ctx;
	char *file cleanup_free = xasprintf("%s/cgroup.procs", path);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	(void)name;
	if (file_read_at(g->tree->fd, file, PROCS_MAX, &text) < 0)
		return true;
	for (char *at = text.buf, *end; *at && !g->x->more_processes; at = end + 1) {
		unsigned long pid = strtoul(at, &end, 10);

		if (end == at)
			break;
		add_process(g->x, g->view, (uint32_t)pid);
		if (!*end)
			break;
	}
	return !g->x->more_processes;
}

static int by_cpu(const void *a, const void *b)
{
	const struct process_stat *x = &((const struct explained_process *)a)->stat;
	const struct process_stat *y = &((const struct explained_process *)b)->stat;

	return x->cpu_ticks != y->cpu_ticks ? (x->cpu_ticks < y->cpu_ticks ? 1 : -1)
					    : (x->pid > y->pid) - (x->pid < y->pid);
}

/* Of its cgroup and all below: systemd or Docker in a container have their own there. */
static void gather_processes(struct explanation *x, const struct explain_view *view,
	const struct status_entry *e)
{
	struct cgroup_tree tree = {.fd = -1};
	struct gathering g = {.x = x, .tree = &tree, .view = view};

	x->processes = xcalloc(EXPLAIN_PROCESSES, sizeof(x->processes[0]));
	if (e->pid) {
		add_process(x, view, e->pid);
		return;
	}
	if (!e->cgroup_path)
		return;
	tree.path = xasprintf("%s/%s", e->cgroup_root, e->cgroup_path);
	tree.fd = open(tree.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree.fd >= 0) {
		add_processes(&g, ".", ".");
		cgroup_tree_walk(&tree, add_processes, &g);
	}
	cgroup_tree_release(&tree);
	qsort(x->processes, x->process_count, sizeof(x->processes[0]), by_cpu);
}

void explained_language(const struct explained_process *p, struct strbuf *out)
{
	static const char *const progress[] = {
		[INTERP_BEGINS] = " (begins)",
		[INTERP_WALKED] = "",
		[INTERP_UNSUPPORTED] = " (unknown: native frames only)",
	};
	const struct interp_about *l = &p->language;

	if (l->runtime)
		strbuf_addf(out, "%s%s%s%s", l->runtime, *l->version ? " " : "", l->version,
			progress[l->progress]);
	else
		strbuf_add_char(out, '-');
}

static void language_troubles(struct explanation *x)
{
	for (size_t i = 0; i < x->process_count; i++) {
		const struct interp_about *l = &x->processes[i].language;

		if (!l->runtime || l->progress != INTERP_UNSUPPORTED)
			continue;
		add_trouble(x,
			xasprintf("process %" PRIu32 " runs %s of a version that is not known%s%s",
				x->processes[i].stat.pid, l->runtime, *l->version ? ": " : "",
				l->version),
			"its native frames are shown; a newer dockprof may know it");
		return;
	}
}

void explanation_make(struct explanation *x, const struct explain_view *view,
	const struct status_entry *e)
{
	*x = (struct explanation){0};
	state_trouble(x, view, e);
	proof_trouble(x, e);
	if (e->target)
		quality_troubles(x, &e->target->quality);
	gather_processes(x, view, e);
	language_troubles(x);
	delivery_troubles(x, view->writer);
}

void explanation_release(struct explanation *x)
{
	for (size_t i = 0; i < x->trouble_count; i++) {
		free(x->troubles[i].what);
		free(x->troubles[i].advice);
	}
	free(x->troubles);
	free(x->processes);
}
