// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "interp/stitch.h"

#define LETTERS_MAX 16

/* The runtime's loop is at 0x1000 to 0x2000, its rare parts at 0x9000. */
static const struct interp_ranges ranges = {2, {{0x1000, 0x2000}, {0x9000, 0x9100}}};

/*
 * A stack in letters: natives are "e" (the loop), "c" (its rare part), "s" (switches stacks), "g" (generated code) and
 * any other; records "ab|c|d": "|" after a stretch's last. *ret: records in capitals, natives as they are.
 */
static void join(const char *natives, const char *records, bool complete, bool keep, char *ret)
{
	struct interp_frame frames[LETTERS_MAX] = {0};
	char names[LETTERS_MAX], *out = ret;
	uint64_t ips[LETTERS_MAX];
	uint8_t marks[LETTERS_MAX];
	struct stitched places[2 * LETTERS_MAX];
	struct stitch_stack s = {
		.ips = ips,
		.marks = marks,
		.ips_complete = complete,
		.leaf_exact = true,
		.records = frames,
	};

	for (; natives[s.ip_count]; s.ip_count++) {
		char c = natives[s.ip_count];

		marks[s.ip_count] = c == 's' ? STITCH_SWITCHES
			: c == 'g'           ? STITCH_GENERATED
					     : STITCH_PLAIN;
		/* A return address after the range's last instruction is in it; an exact one is not. */
		ips[s.ip_count] = c == 'e' ? (s.ip_count ? 0x2000 : 0x1000)
			: c == 'c'         ? 0x9001
					   : 0x5000;
	}
	for (; *records; records++) {
		if (*records == '|') {
			frames[s.record_count - 1].code |= INTERP_LAST;
			continue;
		}
		names[s.record_count++] = *records;
	}
	size_t count = stitch(&s, &ranges, keep, places);

	ck_assert_uint_le(count, s.ip_count + s.record_count);
	for (size_t i = 0; i < count; i++)
		*out++ = places[i].language ? names[places[i].index] : natives[places[i].index];
	*out = '\0';
}

START_TEST(language_frames_stand_where_they_are_executed)
{
	static const struct {
		const char *natives, *records;
		bool complete, keep;
		const char *all;
	} cases[] = {
		{"xyz", "", true, false, "xyz"},
		{"em", "AB|", true, false, "ABm"},
		{"em", "AB|", true, true, "ABem"},
		{"xqecm", "A|BC|", true, false, "xqABCm"},
		{"qepem", "A|BC|", true, false, "qApBCm"},
		/* the innermost call has just begun */
		{"epepem", "A|B|", true, false, "epApBm"},
		{"em", "", true, false, "em"},
		/* the native walk broke off: what is known follows */
		{"qep", "A|BC|D|", false, false, "qApBCD"},
		{"q", "A|B|", false, false, "qAB"},
		{"", "A|B|", false, false, "AB"},
		/* it broke off, and the innermost call may or may not have begun: nothing is invented */
		{"epep", "A|", false, false, "Apep"},
		/* more frames than were recorded */
		{"epem", "A|B", true, false, "ApBm"},
		{"epepem", "A|B", true, false, "ApBpem"},
		/* an interpreter made of tail calls: two frames of its own each */
		{"xcepcem", "A|B|", true, false, "xApBm"},
		{"xcepcem", "A|B|", true, true, "xcAepcBem"},
		/* one that calls itself directly */
		{"eem", "A|B|", true, false, "ABm"},
		/* a greenlet: the calls beyond the switch are another one's, whose frames are not in the chain */
		{"esem", "A|", true, false, "Asem"},
		{"xepespem", "A|B|", true, false, "xApBspem"},
		{"eesem", "A|", true, false, "Asem"},
		/* it has just begun a call */
		{"epesem", "A|", true, false, "epAsem"},
		/* the chain goes on on the other stack */
		{"esem", "A|B|", true, false, "AsBm"},
		/* nothing but the switch itself */
		{"sem", "A|", true, false, "sAm"},
		/* the language's own compiler: with the loop below, and in its place where the walk has skipped it */
		{"xgem", "AB|", true, false, "xgABm"},
		{"xgm", "AB|", true, false, "xgABm"},
		{"xgpem", "A|B|", true, false, "xgApBm"},
		{"xggpem", "A|B|", true, false, "xggApBm"},
		{"xgepgm", "A|B|", true, false, "xgApgBm"},
		{"gpem", "A|", true, false, "gpAm"},
		{"xgq", "A|B|", false, false, "xgqAB"},
		/* more than there are calls: not on this stack */
		{"em", "A|B|", true, false, "Am"},
	};
	char all[4 * LETTERS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		join(cases[i].natives, cases[i].records, cases[i].complete, cases[i].keep, all);
		ck_assert_msg(strcmp(all, cases[i].all) == 0, "%s + %s: \"%s\", not \"%s\"",
			cases[i].natives, cases[i].records, all, cases[i].all);
	}
}
END_TEST

UNIT_MAIN("stitch", language_frames_stand_where_they_are_executed)
