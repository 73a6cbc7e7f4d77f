// SPDX-License-Identifier: Apache-2.0
/* Wrong files, each with all of its messages, word for word and in order. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "config/config.h"

struct mistake {
	const char *text;
	const char *problems; /* without the file's name, one a line */
};

/* All problems of the file, one a line. */
static void problems_of(const char *text, struct strbuf *out)
{
	struct config_problems problems = {0};
	struct config config;
	int r = config_parse("", text, strlen(text), &config, &problems);

	ck_assert_int_eq(r, problems.count ? -EINVAL : 0);
	for (size_t i = 0; i < problems.count; i++) {
		struct strbuf line cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&line, "", &problems.list[i]);
		strbuf_addf(out, "%s%s", i ? "\n" : "", line.buf + 1);
	}
	config_problems_release(&problems);
	if (r == 0)
		config_release(&config);
}

static void check_all(const struct mistake *mistakes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct strbuf all cleanup_strbuf = STRBUF_INIT;

		problems_of(mistakes[i].text, &all);
		ck_assert_msg(strcmp(all.buf, mistakes[i].problems) == 0,
			"for:\n%s\nwant:\n%s\ngot:\n%s", mistakes[i].text, mistakes[i].problems,
			all.buf);
	}
}

START_TEST(the_shape_of_the_file)
{
	static const struct mistake mistakes[] = {
		{"- a\n", "1:1: the file takes a map (lines of `key: value`), not a list"},
		{"hello\n",
			"1:1: the file takes a map (lines of `key: value`), not a single value"},
		{"relable_configs: []\n",
			"1:1: unknown key `relable_configs` in the file; did you mean "
			"`relabel_configs`?"},
		{"something: 1\n",
			"1:1: unknown key `something` in the file; it has `docker_sd_configs`, "
			"`targets`, `file_sd_configs`, `relabel_configs`, `ebpf`, `write`, `log`, "
			"`web`, `control`"},
		{"ebpf:\n  wholly_other: 1\n",
			"2:3: unknown key `wholly_other` in `ebpf`; dockprof.yml(5) lists its keys"},
		{"\"a\\nb\\x1b[31m\": 1\n",
			"1:1: unknown key `a\\nb\\x1b[31m` in the file; it has `docker_sd_configs`, "
			"`targets`, `file_sd_configs`, `relabel_configs`, `ebpf`, `write`, `log`, "
			"`web`, `control`"},
		{"log: {}\nweb: {}\nlog: {}\nlog: {}\n",
			"3:1: `log` is written twice, first in line 1; keep one\n"
			"4:1: `log` is written twice, first in line 3; keep one"},
		{"scrape_configs: []\nglobal: {}\n",
			"1:1: `scrape_configs` is not supported: nothing is scraped; move "
			"`docker_sd_configs` and `relabel_configs` to the left margin\n"
			"2:1: `global` is not supported: write `sample_rate` in `ebpf` and "
			"`external_labels` in `write`"},
		{"docker_sd_configs: []\n",
			"1:1: an empty list and no other targets: nothing would be profiled; remove it "
			"for the local engine"},
		{"log: [info]\nweb: x\nebpf: [1]\n",
			"1:6: `log` takes a map (lines of `key: value`), not a list\n"
			"2:6: `web` takes a map (lines of `key: value`), not a single value\n"
			"3:7: `ebpf` takes a map (lines of `key: value`), not a list"},
		/* The order is that of the file, whatever finds them. */
		{"web:\n  listen_address: x\nlog:\n  levle: info\nebpf:\n  sample_rate: no\n",
			"2:19: `listen_address` is HOST:PORT, such as 127.0.0.1:4041 or :4041; "
			"\"\" is off\n"
			"4:3: unknown key `levle` in `log`; did you mean `level`?\n"
			"6:16: `sample_rate` takes a whole number from 1 to 10000, not \"no\""},
		/* A mistake in what an alias repeats is told once. */
		{"docker_sd_configs:\n  - &d {port: 0}\n  - *d\n",
			"2:15: `port` takes a whole number from 1 to 65535, not \"0\""},
	};

	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(ebpf)
{
	static const struct mistake mistakes[] = {
		{"ebpf: {sample_rate: 0}\n",
			"1:21: `sample_rate` takes a whole number from 1 to 10000, not \"0\""},
		{"ebpf: {sample_rate: 10001}\n",
			"1:21: `sample_rate` takes a whole number from 1 to 10000, not \"10001\""},
		{"ebpf: {sample_rate: +5}\n",
			"1:21: `sample_rate` takes a whole number from 1 to 10000, not \"+5\""},
		{"ebpf: {sample_rate: 97.0}\n",
			"1:21: `sample_rate` takes a whole number from 1 to 10000, not \"97.0\""},
		{"ebpf: {sample_rate: 97 Hz}\n",
			"1:21: `sample_rate` takes a whole number from 1 to 10000, not \"97 Hz\""},
		{"ebpf: {collect_interval: 15}\n",
			"1:26: `collect_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1h, not \"15\""},
		{"ebpf: {collect_interval: 999ms}\n",
			"1:26: `collect_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1h, not \"999ms\""},
		{"ebpf: {collect_interval: 1h1ms}\n",
			"1:26: `collect_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1h, not \"1h1ms\""},
		{"ebpf: {collect_interval: 15 seconds}\n",
			"1:26: `collect_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1h, not \"15 seconds\""},
		{"ebpf: {collect_interval: 1s1m}\n",
			"1:26: `collect_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1h, not \"1s1m\""},
		{"ebpf: {collect_user_profile: yes}\n",
			"1:30: `collect_user_profile` takes true or false, not \"yes\""},
		{"ebpf: {collect_kernel_profile: 1}\n",
			"1:32: `collect_kernel_profile` takes true or false, not \"1\""},
		{"ebpf: {collect_kernel_profile: true, kernel_frames: false}\n",
			"1:38: `kernel_frames` is another name of `collect_kernel_profile`; keep one"},
		{"ebpf: {demangle: all}\n",
			"1:18: `demangle` takes none, simplified, templates or full, not \"all\""},
		{"ebpf: {comm: label}\n",
			"1:14: `comm: label` is not supported: samples carry no labels of their own; "
			"write none or stackframe"},
		{"ebpf: {comm: both}\n",
			"1:14: `comm: both` is not supported: samples carry no labels of their own; "
			"write none or stackframe"},
		{"ebpf: {comm: root}\n", "1:14: `comm` takes none or stackframe, not \"root\""},
	};

	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(ebpf_arguments_that_promise_too_much)
{
	static const struct mistake mistakes[] = {
		{"ebpf: {off_cpu_threshold: 0.1}\n",
			"1:27: `off_cpu_threshold: 0.1` is not supported: there are no off-CPU "
			"profiles; remove it or write 0"},
		{"ebpf: {off_cpu_threshold: some}\n",
			"1:27: `off_cpu_threshold` takes a number, not \"some\""},
		{"ebpf: {load_probe: true, pid_label: true, lazy_mode: true}\n",
			"1:20: `load_probe: true` is not supported: dockprof places no probes; remove "
			"it or write false\n"
			"1:37: `pid_label: true` is not supported: samples carry no labels of their "
			"own; remove it or write false\n"
			"1:54: `lazy_mode: true` is not supported: sampling starts at once; remove it "
			"or write false"},
		{"ebpf: {verbose_mode: true, targets_only: false}\n",
			"1:22: `verbose_mode: true` is not supported: remove it and write `level: "
			"debug` in `log`\n"
			"1:42: `targets_only: false` is not supported: only targets are profiled; "
			"remove it or write true"},
		{"ebpf: {probe_links: [\"kprobe:x\"], u_probe_links: [x]}\n",
			"1:21: `probe_links` is not supported: dockprof places no probes; remove it\n"
			"1:50: `u_probe_links` is not supported: dockprof places no probes; remove it"},
		{"ebpf: {targets: [], forward_to: [], debug_info: {}}\n",
			"1:8: `targets` is not supported: `targets` is a section of its own; move it "
			"to the left margin\n"
			"1:21: `forward_to` is not supported: profiles go where `write` says; remove "
			"it\n"
			"1:37: `debug_info` is not supported: debug files are not uploaded, frames "
			"are named here; remove it"},
		{"ebpf: {symbols: {max_bytes: 1023KiB}}\n",
			"1:29: `max_bytes` takes a size such as 64MiB, from 1.0 MiB to 4.0 GiB, not "
			"\"1023KiB\""},
		{"ebpf: {max_processes: 1}\n",
			"1:23: `max_processes` takes a whole number from 16 to 65536, not \"1\""},
		{"ebpf: {pid_cache_size: -1}\n",
			"1:24: `pid_cache_size` takes a whole number, not \"-1\""},
		{"ebpf: {ruby_enabled: maybe}\n",
			"1:22: `ruby_enabled` takes true or false, not \"maybe\""},
		{"ebpf: {sample_rate: \"a\\tb\\x1b[31m\\u202e\"}\n",
			"1:21: `sample_rate` takes a whole number from 1 to 10000, not "
			"\"a\\tb\\x1b[31m\\xe2\\x80\\xae\""},
	};

	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(docker)
{
#define TEN     "xxxxxxxxxx"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define D       "docker_sd_configs:\n  - "
	static const struct mistake mistakes[] = {
		{"docker_sd_configs: {host: x}\n",
			"1:20: `docker_sd_configs` takes a list (lines that begin with `- `), not a "
			"map"},
		{D "\n", "2:4: an empty item in `docker_sd_configs`; remove the -"},
		{D "unix:///x\n",
			"2:5: an item of `docker_sd_configs` is a map (- key: value), not a single "
			"value"},
		{D "host: /var/run/docker.sock\n",
			"2:11: `host`: write unix:// before the path of a socket"},
		{D "host: unix://docker.sock\n",
			"2:11: `host`: a socket's path starts with /, as in "
			"unix:///var/run/docker.sock"},
		{D "host: unix:///2345678" HUNDRED "\n",
			"2:11: `host`: the socket's path is too long: the kernel takes 107 bytes"},
		{D "{host: unix:///234567" HUNDRED ", port: 0}\n",
			"2:134: `port` takes a whole number from 1 to 65535, not \"0\""},
		{D "host: ssh://me@h\n",
			"2:11: `host`: ssh:// is not supported; forward the socket, or use tcp:// with "
			"TLS"},
		{D "host: npipe:////./pipe/docker\n",
			"2:11: `host`: a URL starts with tcp://, http:// or https://"},
		{D "host: localhost\n",
			"2:11: `host`: a URL starts with tcp://, http:// or https://, or unix:// for a "
			"socket"},
		{D "host: tcp://h:99999\n",
			"2:11: `host`: the port must be a number from 1 to 65535"},
		{D "host: ''\n", "2:11: `host` is empty; write a value or remove the line"},
		{D "refresh_interval: 0s\n",
			"2:23: `refresh_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1y, not \"0s\""},
		{D "port: 65536\n",
			"2:11: `port` takes a whole number from 1 to 65535, not "
			"\"65536\""},
		{D "port: 80\n    port: 81\n",
			"3:5: `port` is written twice, first in line 2; keep one"},
		{D "filters: [{name: label}]\n",
			"2:15: `values` is missing in `filters`: Its values; a container with any of "
			"them is selected."},
		{D "filters: [{values: [x]}]\n",
			"2:15: `name` is missing in `filters`: The filter's name, such as label, name "
			"or network."},
		{D "filters: {name: label, values: [x]}\n",
			"2:14: `filters` takes a list (lines that begin with `- `), not a map"},
		{D "filters: [{name: label, values: x}]\n",
			"2:37: `values` takes a list (lines that begin with `- `), not a single value"},
		{D "filters: [{name: label, values: [[x]]}]\n",
			"2:38: `values` takes a text, not a list"},
		{D "match_first_network: maybe\n",
			"2:26: `match_first_network` takes true or false, not \"maybe\""},
	};

	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(http)
{
	static const struct mistake mistakes[] = {
		{D "bearer_token: x\n    bearer_token_file: y\n",
			"3:5: only one of `basic_auth`, `authorization`, `bearer_token`, "
			"`bearer_token_file` and `oauth2` can be set; remove `bearer_token_file` or the other"},
		{D "authorization: {credentials: x}\n    basic_auth: {username: y}\n",
			"3:5: only one of `basic_auth`, `authorization`, `bearer_token`, "
			"`bearer_token_file` and `oauth2` can be set; remove `basic_auth` or the other"},
		{D "basic_auth: {}\n", "2:17: `basic_auth` needs `username` or `username_file`"},
		{D "basic_auth: {username: a, username_file: b, password: c, "
		   "password_file: d}\n",
			"2:31: only one of `username` and `username_file` can be set; remove "
			"`username_file` or the other\n"
			"2:62: only one of `password` and `password_file` can be set; remove "
			"`password_file` or the other"},
		{D "authorization: {type: basic, credentials: x}\n",
			"2:27: the type cannot be Basic; write `basic_auth` instead"},
		{D "authorization: {type: Bearer}\n",
			"2:20: `authorization` needs `credentials` or `credentials_file`"},
		{D "authorization: {credentials: x, credentials_file: y}\n",
			"2:37: only one of `credentials` and `credentials_file` can be set; remove "
			"`credentials_file` or the other"},
		{D "oauth2: {client_id: x}\n",
			"2:13: `oauth2` needs `client_secret_file` (or `client_secret`)\n"
			"2:13: `token_url` is missing in `oauth2`: Where tokens are had. Redirects are "
			"not followed there."},
		{D "oauth2: {client_id: x, token_url: t, client_secret: a, "
		   "client_secret_file: b}\n",
			"2:39: `token_url`: a URL starts with http:// or https://\n"
			"2:60: only one of `client_secret` and `client_secret_file` can be set; remove "
			"`client_secret_file` or the other"},
		{D "oauth2: {client_id: x, token_url: http://t, client_secret: a, "
		   "endpoint_params: {scope: a}}\n",
			"2:85: this one is a key of `oauth2` itself (scope: `scopes`)"},
		{D "oauth2: {client_id: x, token_url: http://t, client_secret: a, no_proxy: b}\n",
			"2:67: `no_proxy` has no use without `proxy_url`"},
		{D "tls_config: {cert_file: x}\n",
			"2:18: a client certificate needs its key; add `key_file`"},
		{D "tls_config: {key_file: x}\n",
			"2:18: a client key needs its certificate; add `cert_file`"},
		{D "tls_config: {ca: x, ca_file: y}\n",
			"2:25: only one of `ca`, `ca_file` and `ca_pem` can be set; remove `ca_file` "
			"or the other"},
		{D "tls_config: {min_version: TLS1.2}\n",
			"2:31: `min_version` takes TLS10, TLS11, TLS12 or TLS13, not \"TLS1.2\""},
		{D "no_proxy: x\n", "2:5: `no_proxy` has no use without `proxy_url`"},
		{D "proxy_from_environment: true\n    proxy_url: http://p\n    no_proxy: x\n",
			"3:5: `proxy_from_environment` is true already; remove one of the two\n"
			"4:5: with `proxy_from_environment` the variable NO_PROXY counts; remove this"},
		{D "proxy_url: p:3128\n",
			"2:16: `proxy_url`: a URL starts with http://, https://, socks5:// or "
			"socks5h://"},
		{D "proxy_connect_header: {}\n",
			"2:5: `proxy_connect_header` is not supported: remove it, or let `proxy_url` "
			"name a proxy that needs none"},
		{D "http_headers: {X-A: x}\n",
			"2:25: a name under `http_headers` takes a map (lines of `key: value`), not a "
			"single value"},
		{D "http_headers: {\"X A\": {values: [x]}}\n",
			"2:20: not a header name; use letters, digits and -"},
		{D "http_headers: {content-length: {values: [\"1\"]}}\n",
			"2:20: this header is set by dockprof; remove it"},
		{D "http_headers: {X-A: {values: [\"a\\r\\nb: c\"]}}\n",
			"2:20: a value of the header X-A has a line end or control character"},
		{D "http_headers: {X-A: {files: [/nonexistent/file]}}\n",
			"2:20: cannot read /nonexistent/file: No such file or directory"},
		{D "http_headers: {X-A: {vlaues: [x]}}\n",
			"2:26: unknown key `vlaues` in a name under `http_headers`; did you mean "
			"`values`?"},
	};

	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(write_)
{
#define E "write:\n  endpoint:\n    - url: http://h\n      "
	static const struct mistake mistakes[] = {
		{"write:\n  url: http://h\n",
			"2:3: `url` is not supported: a URL belongs to an endpoint; write `endpoint:` "
			"and below it `- url: ...`"},
		{"write:\n  endpoint: {url: http://h}\n",
			"2:13: `endpoint` takes a list (lines that begin with `- `), not a map"},
		{"write:\n  endpoint:\n    - name: x\n",
			"3:7: `url` is missing in `endpoint`: Pyroscope's base URL, such as "
			"http://pyroscope:4040."},
		{"write:\n  endpoint:\n    - url: pyroscope:4040\n",
			"3:12: `url`: a URL starts with http:// or https://"},
		{"write:\n  endpoint:\n    - url: http://u:p@h\n",
			"3:12: `url`: a user or password in a URL shows up in logs; write basic_auth "
			"instead"},
		{E "remote_timeout: 0s\n",
			"4:23: `remote_timeout` takes a duration such as 15s or 1m30s, from 100ms to "
			"1h, not \"0s\""},
		{E "min_backoff_period: 10m\n",
			"4:27: `max_backoff_period` is shorter than `min_backoff_period`"},
		{E "min_backoff_period: 2s\n      max_backoff_period: 1s\n",
			"5:27: `max_backoff_period` is shorter than `min_backoff_period`"},
		{E "max_backoff_retries: -1\n",
			"4:28: `max_backoff_retries` takes a whole number, not \"-1\""},
		{E "headers: [x]\n",
			"4:16: `headers` takes a map (lines of `key: value`), not a list"},
		{E "headers: {Content-Type: x, X-A: [y], X-A: z}\n",
			"4:17: this header is set by dockprof; remove it\n"
			"4:39: a header takes a text, not a list\n"
			"4:44: `X-A` is written twice, first in line 4; keep one"},
		{E "basic_auth: {username: u, password: \"${DP_UNSET}\"}\n",
			"4:43: `password`: the environment variable DP_UNSET is not set; set it, or "
			"write ${DP_UNSET:-default}"},
		{E "tenant_id: ${}\n",
			"4:18: `tenant_id`: only ${NAME} and ${NAME:-default} are expanded; write $${ "
			"for a literal ${"},
		{"write: {external_labels: {__x: a, 1x: b, \"a b\": c, \"\": d}}\n",
			"1:27: labels that begin with __ stay inside; choose another name\n"
			"1:35: not a label name that Pyroscope takes; use letters, digits, _ and .\n"
			"1:42: not a label name that Pyroscope takes; use letters, digits, _ and .\n"
			"1:52: not a label name that Pyroscope takes; use letters, digits, _ and ."},
		{"write: {external_labels: {a: [b]}}\n",
			"1:30: a label's value takes a text, not a list"},
		{"write: {file: {max_bytes: 1GiB}}\n",
			"1:15: `directory` is missing in `file`: Where to keep profiles as files."},
		{"write: {file: {directory: /x, max_bytes: 1}}\n",
			"1:42: `max_bytes` takes a size such as 64MiB, from 1.0 MiB to 1024.0 TiB, "
			"not \"1\""},
		{"write: {max_pending_bytes: 1TiB}\n",
			"1:28: `max_pending_bytes` takes a size such as 64MiB, from 1.0 MiB to 4.0 "
			"GiB, not \"1TiB\""},
		{"write: {tracing: {}}\n",
			"1:9: `tracing` is not supported: dockprof writes no traces; remove it"},
	};

	unsetenv("DP_UNSET");
	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(relabel)
{
#define R "relabel_configs:\n  - "
	static const struct mistake mistakes[] = {
		{"relabel_configs: {action: drop}\n",
			"1:18: `relabel_configs` takes a list (lines that begin with `- `), not a map"},
		{R "\n", "2:4: an empty item in `relabel_configs`; remove the -"},
		{R "drop\n",
			"2:5: an item of `relabel_configs` is a map (- key: value), not a single "
			"value"},
		{R "source_label: [a]\n    target_label: b\n",
			"2:5: unknown key `source_label` in `relabel_configs`; did you mean "
			"`source_labels`?"},
		/* What the slip leaves missing is not told as well ... */
		{R "source_labels: [a]\n    target_labels: b\n",
			"3:5: unknown key `target_labels` in `relabel_configs`; did you mean "
			"`target_label`?"},
		/* ... but what is wrong besides is. */
		{R "regexp: a\n    action: dorp\n",
			"2:5: unknown key `regexp` in `relabel_configs`; did you mean `regex`?\n"
			"3:13: unknown relabel action \"dorp\": use replace, keep, drop, keepequal, "
			"dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase"},
		{R "source_labels: a\n    target_label: b\n",
			"2:20: `source_labels` takes a list (lines that begin with `- `), not a single "
			"value"},
		{R "source_labels: [a, '', [b]]\n    action: keep\n",
			"2:24: an empty label name\n"
			"2:28: `source_labels` takes a text, not a list"},
		{R "source_labels: [a]\n",
			"2:5: relabel configuration for replace action requires 'target_label' value"},
		{R "source_labels: [a]\n    target_label:\n",
			"3:18: relabel configuration for replace action requires 'target_label' value"},
		{R "source_labels: [a]\n    target_label: b\n    action: hashmod\n",
			"2:5: relabel configuration for hashmod requires non-zero modulus"},
		{R "modulus: ten\n    target_label: b\n    action: hashmod\n",
			"2:14: \"ten\" is no 'modulus': write a whole number from 1 to "
			"18446744073709551615"},
		{R "regex: [a]\n    action: drop\n", "2:12: `regex` takes a text, not a list"},
		{R "action: labeldrop\n    regex: x\n    source_labels: []\n",
			"4:20: labeldrop action requires only 'regex', and no other fields"},
		{R "action: lowercase\n    target_label: b\n    replacement: x\n",
			"4:18: 'replacement' can not be set for lowercase action"},
		{R "action:\n    target_label: b\n",
			"2:12: unknown relabel action \"\": use replace, keep, drop, keepequal, "
			"dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase"},
		{R "{action: drop, regex: x}\n  - {action: dorp}\n  - {action: labelkeep, "
		   "regex: x, separator: y}\n",
			"3:14: unknown relabel action \"dorp\": use replace, keep, drop, keepequal, "
			"dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase\n"
			"4:46: labelkeep action requires only 'regex', and no other fields"},
	};
	struct strbuf all cleanup_strbuf = STRBUF_INIT;

	check_all(mistakes, ARRAY_SIZE(mistakes));
	/* The regular expression's own words are the relabel room's; its place is ours. */
	problems_of(R "action: drop\n    source_labels: [a]\n    regex: (?=x)\n", &all);
	ck_assert_int_eq(strncmp(all.buf, "4:12: ", 6), 0);
}
END_TEST

START_TEST(targets_and_files)
{
	static const struct mistake mistakes[] = {
		{"targets: {a: b}\n",
			"1:10: `targets` takes a list (lines that begin with `- `), not a map"},
		{"targets: [x]\n",
			"1:11: a target takes a map (lines of `key: value`), not a single value"},
		{"targets: [{}]\n",
			"1:11: a target without labels; name one, such as `__process_pid__`"},
		{"targets: [{a: }]\n",
			"1:11: a target without labels; name one, such as `__process_pid__`"},
		{"targets: [{a: b, a: c}]\n",
			"1:18: `a` is written twice, first in line 1; keep one"},
		{"targets: [{\"\": b}]\n", "1:12: a label needs a name"},
		{"targets: [{a: {b: c}}]\n", "1:15: a label's value takes a text, not a map"},
		{"targets: [{a: \"${DP_UNSET}\"}]\n",
			"1:15: a label's value: the environment variable DP_UNSET is not set; set it, "
			"or write ${DP_UNSET:-default}"},
		{"file_sd_configs: [{}]\n", "1:19: `file_sd_configs` names no files"},
		{"file_sd_configs: [{files: []}]\n", "1:27: `file_sd_configs` names no files"},
		{"file_sd_configs: [{files: [a.txt, b.json, \"*/c.yml\", \"a*b*.yml\", .yml]}]\n",
			"1:28: `files`: the name must end in .json, .yml or .yaml\n"
			"1:43: `files`: only one *, and only behind the last slash\n"
			"1:54: `files`: only one *, and only behind the last slash\n"
			"1:66: `files`: the name must end in .json, .yml or .yaml"},
		{"file_sd_configs: [{files: [a.yml], refresh_interval: -5s}]\n",
			"1:54: `refresh_interval` takes a duration such as 15s or 1m30s, from 1s to "
			"1y, not \"-5s\""},
	};

	unsetenv("DP_UNSET");
	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(log_and_web)
{
	static const struct mistake mistakes[] = {
		{"log: {level: warning}\n",
			"1:14: `level` takes debug, info, warn or error, not \"warning\""},
		{"log: {level: INFO, format: text}\n",
			"1:14: `level` takes debug, info, warn or error, not \"INFO\"\n"
			"1:28: `format` takes logfmt or json, not \"text\""},
		{"web: {listen_address: 4041}\n",
			"1:23: `listen_address` is HOST:PORT, such as 127.0.0.1:4041 or :4041; \"\" is "
			"off"},
		{"web: {listen_address: \"localhost:0\"}\n",
			"1:23: `listen_address` is HOST:PORT, such as 127.0.0.1:4041 or :4041; \"\" is "
			"off"},
		{"web: {listen_address: \"http://localhost:4041\"}\n",
			"1:23: `listen_address` is HOST:PORT, such as 127.0.0.1:4041 or :4041; \"\" is "
			"off"},
		{"web: {listen_address: \"localhost:4041x\"}\n",
			"1:23: `listen_address` is HOST:PORT, such as 127.0.0.1:4041 or :4041; \"\" is "
			"off"},
	};

	check_all(mistakes, ARRAY_SIZE(mistakes));
}
END_TEST

START_TEST(a_thousand_mistakes_are_enough)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf all cleanup_strbuf = STRBUF_INIT;
	size_t lines = 1;

	for (int i = 0; i < 5000; i++)
		strbuf_addf(&text, "k%d: x\n", i);
	problems_of(text.buf, &all);
	for (size_t i = 0; i < all.len; i++)
		lines += all.buf[i] == '\n';
	ck_assert_uint_eq(lines, 1001);
	ck_assert_ptr_nonnull(strstr(all.buf, "more than 1000 mistakes; the rest is not shown"));
}
END_TEST

UNIT_MAIN("config_mistakes", the_shape_of_the_file, ebpf, ebpf_arguments_that_promise_too_much,
	docker, http, write_, relabel, targets_and_files, log_and_web,
	a_thousand_mistakes_are_enough)
