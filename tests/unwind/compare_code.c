// SPDX-License-Identifier: Apache-2.0
/*
 * compare_code [-v N] [-n] [FILE...]: rows made from code against the call frame information, of the files that stdin names
 * where none is given. -v: the first N wrong ones of each file; -n: those without a row too. Exits with 1 where more is
 * wrong than WRONG_MAX.
 */
#include <string.h>

#include "lib/code_oracle.h"

/*
 * Percent of the bytes. What is left was looked at: functions of which only a part is known, behind calls that do not
 * come back (error(), abort() in a cold part), where the depth of the code before fits by chance.
 */
#define WRONG_MAX 0.3

static void print(const char *name, const struct code_counts *c)
{
	double all = (double)(c->right + c->fp_unknown + c->none + c->wrong) / 100;

	printf("%s: %zu files, %.0f bytes: right %.3f %%, rbp unknown %.3f %%, none %.3f %%, wrong %.4f %%; "
	       "%zu not comparable, %zu pages, %.0f us each\n",
		name, c->files, all * 100, (double)c->right / all, (double)c->fp_unknown / all,
		(double)c->none / all, (double)c->wrong / all, c->other, c->pages,
		c->pages ? c->seconds * 1e6 / (double)c->pages : 0);
}

static void add(struct code_counts *total, const struct code_counts *c)
{
	total->files += c->files;
	total->pages += c->pages;
	total->right += c->right;
	total->fp_unknown += c->fp_unknown;
	total->none += c->none;
	total->wrong += c->wrong;
	total->padding += c->padding;
	total->other += c->other;
	total->seconds += c->seconds;
}

static void compare(const char *path, size_t show, bool none, struct code_counts *total)
{
	struct code_counts c = {0};
	struct code_oracle o = {.path = path, .counts = &c, .show = show, .show_none = none};

	judge_file(&o);
	if (c.right + c.none + c.wrong && show)
		print(path, &c);
	add(total, &c);
}

int main(int argc, char **argv)
{
	struct code_counts total = {0};
	char path[4096];
	size_t show = 0;
	bool none = false;
	int i = 1;

	if (i + 1 < argc && strcmp(argv[i], "-v") == 0) {
		show = strtoul(argv[i + 1], NULL, 10);
		i += 2;
	}
	if (i < argc && strcmp(argv[i], "-n") == 0) {
		none = true;
		i++;
	}
	bool given = i < argc;

	for (; i < argc; i++)
		compare(argv[i], show, none, &total);
	while (!given && fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		compare(path, show, none, &total);
	}
	print("all", &total);
	size_t all = total.right + total.fp_unknown + total.none + total.wrong;

	return !all || (double)total.wrong * 100 > WRONG_MAX * (double)all;
}
