// SPDX-License-Identifier: Apache-2.0
/* A demo service that keeps a CPU some 40 % busy: it matches wildcards against made-up documents. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DOCUMENT_LEN 2048
#define NOINLINE     __attribute__((noinline))

static const char *const queries[] = {"*profil*er*", "*con?ainer*stack*", "*a*b*c*d*", "*zz*q*"};

static uint64_t random_state = 2463534242;

static NOINLINE uint32_t next_random(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(random_state >> 33);
}

static NOINLINE void read_document(char *text)
{
	static const char letters[] = "etaoin shrdlu cmfwyp vbgkqjxz";

	for (size_t i = 0; i < DOCUMENT_LEN - 1; i++)
		text[i] = letters[next_random() % (sizeof(letters) - 1)];
	text[DOCUMENT_LEN - 1] = '\0';
}

/* The classic walk that goes back to the last star. */
static NOINLINE int match_wildcard(const char *pattern, const char *text)
{
	const char *star = NULL, *retry = text;

	while (*text) {
		if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (*pattern == '*') {
			star = pattern++;
			retry = text;
		} else if (star) {
			pattern = star + 1;
			text = ++retry;
		} else {
			return 0;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static NOINLINE unsigned count_words(const char *text)
{
	unsigned words = 0;

	for (int in_word = 0; *text; text++) {
		words += *text != ' ' && !in_word;
		in_word = *text != ' ';
	}
	return words;
}

static NOINLINE unsigned score_document(const char *query, const char *text)
{
	unsigned score = 0;

	for (size_t from = 0; from < DOCUMENT_LEN; from += 256)
		score += match_wildcard(query, text + from) ? 100 : 0;
	return score + count_words(text) % 10;
}

static NOINLINE unsigned answer_query(const char *query)
{
	char text[DOCUMENT_LEN];
	unsigned best = 0;

	for (int i = 0; i < 100; i++) {
		read_document(text);
		unsigned score = score_document(query, text);

		best = score > best ? score : best;
	}
	return best;
}

int main(void)
{
	volatile unsigned last;

	for (size_t i = 0;; i++) {
		for (int n = 0; n < 4; n++)
			last = answer_query(queries[(i + (size_t)n) % 4]);
		nanosleep(&(struct timespec){.tv_nsec = 12000000}, NULL);
	}
	return (int)last;
}
