// SPDX-License-Identifier: Apache-2.0
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "commands.h"
#include "control.h"
#include "web/json.h"

#define TEXT_SHOWN 1000 /* bytes; texts quote servers */

static const char *const names[] = {
	[CHECK_PASS] = "pass",
	[CHECK_WARN] = "warn",
	[CHECK_FAIL] = "fail",
	[CHECK_SKIP] = "skip",
};

void doctor_release(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->list[i].text);
	free(d->list);
	*d = (struct doctor){0};
}

void doctor_add(struct doctor *d, const char *id, enum outcome outcome, const char *fix,
	const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("");
	va_end(ap);
	d->list = xreallocarray(d->list, d->count + 1, sizeof(d->list[0]));
	d->list[d->count++] = (struct finding){
		.id = id,
		.outcome = outcome,
		.environment = d->environment,
		.text = text,
		.fix = fix,
	};
}

bool doctor_failed(const struct doctor *d, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->list[i].outcome == CHECK_FAIL && (!id || strcmp(d->list[i].id, id) == 0))
			return true;
	return false;
}

int doctor_exit_code(const struct doctor *d)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < d->count; i++) {
		if (d->list[i].outcome != CHECK_FAIL)
			continue;
		if (d->list[i].environment)
			return EXIT_ENVIRONMENT;
		code = EXIT_FAILED;
	}
	return code;
}

void doctor_check_agent(struct doctor *d, const char *socket)
{
	struct strbuf version cleanup_strbuf = STRBUF_INIT;

	if (!*socket) {
		doctor_add(d, "agent", CHECK_PASS, "", "the control socket is off");
		return;
	}
	if (control_ask(socket, "version", &version, NULL) == EXIT_OK)
		doctor_add(d, "agent", CHECK_PASS, "", "dockprof %.*s runs and answers at %s",
			(int)strcspn(version.buf, "\n"), version.buf, socket);
	else
		doctor_add(d, "agent", CHECK_PASS, "", "no agent runs now (nobody answers at %s)",
			socket);
}

static void count(const struct doctor *d, size_t ret[CHECK_SKIP + 1])
{
	memset(ret, 0, (CHECK_SKIP + 1) * sizeof(ret[0]));
	for (size_t i = 0; i < d->count; i++)
		ret[d->list[i].outcome]++;
}

void doctor_add_text(struct strbuf *out, const struct doctor *d, bool color)
{
	static const char *const colors[] = {
		[CHECK_PASS] = "\x1b[32m",
		[CHECK_WARN] = "\x1b[33m",
		[CHECK_FAIL] = "\x1b[31m",
		[CHECK_SKIP] = "\x1b[2m",
	};
	size_t counts[CHECK_SKIP + 1];

	for (size_t i = 0; i < d->count; i++) {
		const struct finding *f = &d->list[i];

		strbuf_addf(out, "%s%s%s  %-22s ", color ? colors[f->outcome] : "",
			names[f->outcome], color ? "\x1b[0m" : "", f->id);
		text_add_sentence(out, f->text, TEXT_SHOWN);
		strbuf_add_char(out, '\n');
		if (*f->fix)
			strbuf_addf(out, "      -> %s\n", f->fix);
	}
	count(d, counts);
	strbuf_addf(out, "\n%zu passed, %zu warnings, %zu failed, %zu left out\n",
		counts[CHECK_PASS], counts[CHECK_WARN], counts[CHECK_FAIL], counts[CHECK_SKIP]);
}

void doctor_add_json(struct strbuf *out, const struct doctor *d)
{
	struct json j = {.out = out};

	json_open(&j, NULL, '{');
	json_number(&j, "exitCode", doctor_exit_code(d));
	json_open(&j, "checks", '[');
	for (size_t i = 0; i < d->count; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "id", d->list[i].id);
		json_string(&j, "outcome", names[d->list[i].outcome]);
		json_string(&j, "text", d->list[i].text);
		json_string(&j, "fix", d->list[i].fix);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	strbuf_add_char(out, '\n');
}
