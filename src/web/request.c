// SPDX-License-Identifier: Apache-2.0
/*
 * The head is cut into strings where it stands. What the standard lets a server be lenient about (bare
 * line feeds, folded lines, blanks before the colon) is refused: a proxy in front could read it another
 * way. Only what somebody uses here is kept of the fields.
 */
#include "web/request.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define HOST_MAX 255

size_t web_head_length(const char *data, size_t len)
{
	const char *end = memmem(data, MIN(len, (size_t)WEB_HEAD_MAX), "\r\n\r\n", 4);

	if (end)
		return (size_t)(end - data) + 4;
	return len >= WEB_HEAD_MAX ? SIZE_MAX : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes s in place; false at a bad escape or where a control byte comes out. */
static bool decode(char *s, bool plus_is_blank)
{
	char *out = s;

	for (; *s; s++) {
		char c = *s;

		if (c == '%') {
			int high = hex_digit(s[1]);
			int low = high < 0 ? -1 : hex_digit(s[2]);

			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			s += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return false;
		*out++ = c;
	}
	*out = '\0';
	return true;
}

static unsigned parse_method(const char *name, enum web_method *ret)
{
	static const char *const names[] =
		{[WEB_GET] = "GET", [WEB_HEAD] = "HEAD", [WEB_POST] = "POST", [WEB_PUT] = "PUT"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum web_method)i;
			return 0;
		}
	}
	return 405;
}

/* "GET /path?query HTTP/1.1" */
static unsigned parse_line(char *line, struct web_request *r)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version || target[1] != '/')
		return 400;
	*target++ = '\0';
	*version++ = '\0';
	if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
	r->keep_alive = version[7] == '1';
	char *query = strchr(target, '?');

	r->query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	r->path = target;
	return decode(target, false) ? parse_method(line, &r->method) : 400;
}

static unsigned parse_length(const char *value, struct web_request *r, bool *seen)
{
	char *end;

	if (*seen || *value < '0' || *value > '9')
		return 400;
	*seen = true;
	r->content_length = strtoul(value, &end, 10);
	if (*end)
		return 400;
	return r->content_length > WEB_BODY_MAX ? 413 : 0;
}

static unsigned set_once(const char **field, const char *value)
{
	if (**field)
		return 400;
	*field = value;
	return 0;
}

struct seen {
	bool host, length;
};

static unsigned parse_field(const char *name, const char *value, struct web_request *r,
	struct seen *seen)
{
	if (strcasecmp(name, "host") == 0) {
		bool again = seen->host;

		seen->host = true;
		r->host = value;
		return again ? 400 : 0;
	}
	if (strcasecmp(name, "content-length") == 0)
		return parse_length(value, r, &seen->length);
	if (strcasecmp(name, "transfer-encoding") == 0)
		return 501;
	if (strcasecmp(name, "connection") == 0)
		r->keep_alive = r->keep_alive ? !strcasestr(value, "close")
					      : strcasestr(value, "keep-alive") != NULL;
	else if (strcasecmp(name, "origin") == 0)
		return set_once(&r->origin, value);
	else if (strcasecmp(name, "sec-fetch-site") == 0)
		return set_once(&r->fetch_site, value);
	else if (strcasecmp(name, "sec-fetch-mode") == 0)
		return set_once(&r->fetch_mode, value);
	else if (strcasecmp(name, "sec-fetch-dest") == 0)
		return set_once(&r->fetch_dest, value);
	else if (strcasecmp(name, "accept") == 0)
		r->accept = value;
	return 0;
}

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *s))
			return false;
	return true;
}

static unsigned parse_header(char *line, struct web_request *r, struct seen *seen)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return 400;
	*colon = '\0';
	if (!is_token(line))
		return 400;
	char *value = colon + 1 + strspn(colon + 1, " \t");
	size_t len = strlen(value);

	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = '\0';
	return parse_field(line, value, r, seen);
}

/* The line at *at as a string; *at moves behind it. NULL at a control byte. */
static char *next_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	*end = '\0';
	*at = end + 2;
	for (const char *s = line; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return NULL;
	return line;
}

unsigned web_request_parse(char *head, size_t len, struct web_request *ret)
{
	struct seen seen = {0};
	char *at = head;

	*ret = (struct web_request){.path = "",
		.query = "",
		.host = "",
		.accept = "",
		.origin = "",
		.fetch_site = "",
		.fetch_mode = "",
		.fetch_dest = ""};
	/* No NUL, and the last line end stands in front of the one that ends the head. */
	if (len < 4 || memchr(head, '\0', len))
		return 400;
	head[len - 2] = '\0';
	char *line = next_line(&at);
	unsigned status = line ? parse_line(line, ret) : 400;
	bool http_1_1 = ret->keep_alive;

	while (!status && *at) {
		line = next_line(&at);
		status = line ? parse_header(line, ret, &seen) : 400;
	}
	if (!status && http_1_1 && !seen.host)
		return 400;
	return status;
}

bool web_query_get(const struct web_request *r, const char *name, struct strbuf *ret)
{
	size_t len = strlen(name);

	for (const char *s = r->query; *s;) {
		size_t size = strcspn(s, "&");

		if (size >= len && strncmp(s, name, len) == 0 && (size == len || s[len] == '=')) {
			size_t start = ret->len;

			if (size > len)
				strbuf_add(ret, s + len + 1, size - len - 1);
			if (!decode(ret->buf + start, true))
				strbuf_set_len(ret, start);
			else
				strbuf_set_len(ret, start + strlen(ret->buf + start));
			return true;
		}
		s += size + (s[size] == '&');
	}
	return false;
}

long long web_query_number(const struct web_request *r, const char *name, long long fallback,
	long long max)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	char *end;

	if (!web_query_get(r, name, &text))
		return fallback;
	if (!text.len || text.len > 18 || *text.buf < '0' || *text.buf > '9')
		return -1;
	long long number = strtoll(text.buf, &end, 10);

	return *end || number > max ? -1 : number;
}

/* Without the port and the brackets of an IPv6 address. */
static bool host_name(const char *host, char *ret, size_t size)
{
	size_t len;

	if (*host == '[') {
		const char *end = strchr(host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		host++;
		len = (size_t)(end - host);
	} else {
		len = strcspn(host, ":");
	}
	if (!len || len >= size)
		return false;
	memcpy(ret, host, len);
	ret[len] = '\0';
	if (ret[len - 1] == '.')
		ret[len - 1] = '\0';
	return *ret;
}

bool web_host_allowed(const char *host, const char *const *allowed, size_t count)
{
	char name[HOST_MAX + 1];
	struct in6_addr address;
	size_t len;

	if (!host_name(host, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(name, allowed[i]) == 0)
			return true;
	if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
		return true;
	len = strlen(name);
	return !strchr(name, '.') || (len > 10 && strcasecmp(name + len - 10, ".localhost") == 0);
}

/* The page as a whole goes there, in its tab: a frame, too, is navigated, but its destination is "iframe". */
static bool is_link(const struct web_request *r)
{
	return r->method != WEB_POST && r->method != WEB_PUT &&
		strcasecmp(r->fetch_mode, "navigate") == 0 &&
		(!*r->fetch_dest || strcasecmp(r->fetch_dest, "document") == 0);
}

bool web_cross_site(const struct web_request *r)
{
	const char *origin = strstr(r->origin, "://");

	if (*r->fetch_site && strcasecmp(r->fetch_site, "same-origin") != 0 &&
		strcasecmp(r->fetch_site, "none") != 0)
		return !is_link(r);
	return *r->origin && (!origin || strcasecmp(origin + 3, r->host) != 0);
}
