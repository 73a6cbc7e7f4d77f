// SPDX-License-Identifier: Apache-2.0
#include "agent_control.h"

#include <commit.h> /* made by the Makefile */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "commands.h"

static const char *skip_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(text, word, len) != 0 || (text[len] && text[len] != ' '))
		return NULL;
	return text + len + (text[len] == ' ');
}

static int answer_explain(const struct explain_view *view, const char *rest, struct strbuf *out)
{
	const char *name = skip_word(rest, "text");

	if (name)
		return explain(out, view, EXPLAIN_TEXT, name);
	name = skip_word(rest, "json");
	if (name)
		return explain(out, view, EXPLAIN_JSON, name);
	strbuf_add_str(out, "explain text, or explain json\n");
	return EXIT_USAGE;
}

int agent_answer(const struct explain_view *view, const char *request, struct strbuf *out)
{
	const char *rest = skip_word(request, "explain");

	if (rest)
		return answer_explain(view, rest, out);
	if (strcmp(request, "version") == 0) {
		strbuf_add_str(out, DOCKPROF_VERSION " " DOCKPROF_COMMIT "\n");
		return EXIT_OK;
	}
	strbuf_add_str(out, "this agent does not know that request; is it of another version?\n");
	return EXIT_USAGE;
}

static int on_request(void *ctx, const char *request, struct strbuf *out)
{
	const struct agent_control *c = ctx;
	struct explain_view view = {
		.status = c->status,
		.discover = c->discover,
		.writer = *c->writer,
		.interp = *c->interp,
		.proc = "/proc",
	};

	return agent_answer(&view, request, out);
}

void agent_control_retry(struct agent_control *c)
{
	struct error err = {0};

	if (c->control && !control_is_there(c->control)) {
		control_free(c->control);
		c->control = NULL;
	}
	if (c->control || !c->path || !*c->path)
		return;
	if (control_new(c->loop, c->path, on_request, c, &c->control, &err) == 0) {
		if (c->complained)
			log_info("agent", "`dockprof explain` finds this agent now",
				LOG_STR("socket", c->path));
		return;
	}
	if (!c->complained)
		log_warn("agent", "`dockprof explain` does not find this agent, trying again",
			LOG_STR("reason", err.message));
	c->complained = true;
}

void agent_control_apply(struct agent_control *c, const char *path)
{
	if (c->path && strcmp(c->path, path) == 0)
		return;
	agent_control_release(c);
	c->path = xstrdup(path);
	agent_control_retry(c);
}

void agent_control_release(struct agent_control *c)
{
	control_free(c->control);
	c->control = NULL;
	free(c->path);
	c->path = NULL;
	c->complained = false;
}
