// SPDX-License-Identifier: Apache-2.0
/* The labels of containers, against what Prometheus makes of the same lists. */
#include "unit/unit.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macros.h"
#include "docker/summary.h"
#include "lib/discovery_fixture.h"

#define DATA     "tests/data/docker/"
#define MAX_FILE (1 << 20)

static struct discovery_fixture f;

static const char *const vectors[] = {"compose", "modes", "addresses", "labels", "nulls", "ours",
	"engine-20.10"};

static char *read_data(const char *vector, const char *suffix)
{
	char *path = xasprintf(DATA "%s.%s", vector, suffix);
	struct strbuf text = STRBUF_INIT;
	int r = file_read_at(AT_FDCWD, path, MAX_FILE, &text);

	ck_assert_msg(r == 0, "%s: %s (run it at the top of the source tree)", path, strerror(-r));
	free(path);
	return strbuf_detach(&text);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(strstr(*(char *const *)a, "_container_id\""),
		strstr(*(char *const *)b, "_container_id\""));
}

/* The lines in the order of the ids in them. */
static void sort_lines(struct strbuf *text)
{
	char *lines[64], *copy cleanup_free = xstrdup(text->buf), *save = NULL;
	size_t count = 0;

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		ck_assert_uint_lt(count, ARRAY_SIZE(lines));
		lines[count++] = l;
	}
	qsort(lines, count, sizeof(lines[0]), by_id);
	strbuf_reset(text);
	for (size_t i = 0; i < count; i++)
		strbuf_addf(text, "%s\n", lines[i]);
}

START_TEST(labels_are_those_of_prometheus)
{
	char *list cleanup_free = read_data(vectors[_i], "containers.json");
	char *networks cleanup_free = read_data(vectors[_i], "networks.json");
	char *expected cleanup_free = read_data(vectors[_i], "labels");

	fixture_init(&f);
	f.engine.list = list;
	f.engine.networks = networks;
	fixture_start(&f);
	fixture_await(&f, "connected");
	sort_lines(&f.lines);
	ck_assert_str_eq(f.lines.buf, expected);
	fixture_release(&f);
}
END_TEST

static const struct {
	const char *text, *canonical;
} addresses[] = {
	{"10.0.0.1", "10.0.0.1"},
	{"2001:DB8::0:1", "2001:db8::1"},
	{"::", "::"},
	{"::1", "::1"},
	{"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
	{"::1.2.3.4", "::102:304"},
	{"::0.1.0.0", "::1:0"},
	{"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
	{"", ""},
	{"1.2.3", ""},
	{"x", ""},
	{"1.2.3.4/16", ""},
};

START_TEST(addresses_are_written_as_go_writes_them)
{
	char text[INET6_ADDRSTRLEN];

	docker_address(addresses[_i].text, text);
	ck_assert_str_eq(text, addresses[_i].canonical);
}
END_TEST

START_TEST(of_several_ports_the_first_is_the_same_in_any_order)
{
	static const struct docker_port ports[] = {{80, 8080, "0.0.0.0"}, {80, 8080, "::"},
		{80, 9000, "0.0.0.0"}, {80, 0, ""}, {443, 1, "0.0.0.0"}};

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ports); j++)
			ck_assert_int_eq(docker_port_before(&ports[i], &ports[j]), i < j);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("docker_labels");
	TCase *tcase = tcase_create("docker_labels");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tcase, labels_are_those_of_prometheus, 0, (int)ARRAY_SIZE(vectors));
	tcase_add_loop_test(tcase, addresses_are_written_as_go_writes_them, 0,
		(int)ARRAY_SIZE(addresses));
	tcase_add_test(tcase, of_several_ports_the_first_is_the_same_in_any_order);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
