// SPDX-License-Identifier: Apache-2.0
/*
 * Names for \p{...}. PCRE2 has the code points; Go decides which names there are (categories, their
 * long names, scripts of one word: go1.26 refuses the others) and which code points (?i) adds.
 */
#include "relabel/unicode.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"

/* clang-format off */
static const struct unicode_stride folded_l[] = {
	{0x345, 0x345, 1},
};

static const struct unicode_stride folded_ll[] = {
	{0x41, 0x5a, 1}, {0xc0, 0xd6, 1}, {0xd8, 0xde, 1}, {0x100, 0x12e, 2}, {0x132, 0x136, 2},
	{0x139, 0x147, 2}, {0x14a, 0x178, 2}, {0x179, 0x17d, 2}, {0x181, 0x182, 1},
	{0x184, 0x186, 2}, {0x187, 0x189, 2}, {0x18a, 0x18b, 1}, {0x18e, 0x191, 1},
	{0x193, 0x194, 1}, {0x196, 0x198, 1}, {0x19c, 0x19d, 1}, {0x19f, 0x1a0, 1},
	{0x1a2, 0x1a6, 2}, {0x1a7, 0x1a9, 2}, {0x1ac, 0x1ae, 2}, {0x1af, 0x1b1, 2},
	{0x1b2, 0x1b3, 1}, {0x1b5, 0x1b7, 2}, {0x1b8, 0x1bc, 4}, {0x1c4, 0x1c5, 1},
	{0x1c7, 0x1c8, 1}, {0x1ca, 0x1cb, 1}, {0x1cd, 0x1db, 2}, {0x1de, 0x1ee, 2},
	{0x1f1, 0x1f2, 1}, {0x1f4, 0x1f6, 2}, {0x1f7, 0x1f8, 1}, {0x1fa, 0x232, 2},
	{0x23a, 0x23b, 1}, {0x23d, 0x23e, 1}, {0x241, 0x243, 2}, {0x244, 0x246, 1},
	{0x248, 0x24e, 2}, {0x345, 0x370, 43}, {0x372, 0x376, 4}, {0x37f, 0x386, 7},
	{0x388, 0x38a, 1}, {0x38c, 0x38e, 2}, {0x38f, 0x391, 2}, {0x392, 0x3a1, 1},
	{0x3a3, 0x3ab, 1}, {0x3cf, 0x3d8, 9}, {0x3da, 0x3ee, 2}, {0x3f4, 0x3f7, 3},
	{0x3f9, 0x3fa, 1}, {0x3fd, 0x42f, 1}, {0x460, 0x480, 2}, {0x48a, 0x4c0, 2},
	{0x4c1, 0x4cd, 2}, {0x4d0, 0x52e, 2}, {0x531, 0x556, 1}, {0x10a0, 0x10c5, 1},
	{0x10c7, 0x10cd, 6}, {0x13a0, 0x13f5, 1}, {0x1c90, 0x1cba, 1}, {0x1cbd, 0x1cbf, 1},
	{0x1e00, 0x1e94, 2}, {0x1e9e, 0x1efe, 2}, {0x1f08, 0x1f0f, 1}, {0x1f18, 0x1f1d, 1},
	{0x1f28, 0x1f2f, 1}, {0x1f38, 0x1f3f, 1}, {0x1f48, 0x1f4d, 1}, {0x1f59, 0x1f5f, 2},
	{0x1f68, 0x1f6f, 1}, {0x1f88, 0x1f8f, 1}, {0x1f98, 0x1f9f, 1}, {0x1fa8, 0x1faf, 1},
	{0x1fb8, 0x1fbc, 1}, {0x1fc8, 0x1fcc, 1}, {0x1fd8, 0x1fdb, 1}, {0x1fe8, 0x1fec, 1},
	{0x1ff8, 0x1ffc, 1}, {0x2126, 0x212a, 4}, {0x212b, 0x2132, 7}, {0x2183, 0x2c00, 2685},
	{0x2c01, 0x2c2f, 1}, {0x2c60, 0x2c62, 2}, {0x2c63, 0x2c64, 1}, {0x2c67, 0x2c6d, 2},
	{0x2c6e, 0x2c70, 1}, {0x2c72, 0x2c75, 3}, {0x2c7e, 0x2c80, 1}, {0x2c82, 0x2ce2, 2},
	{0x2ceb, 0x2ced, 2}, {0x2cf2, 0xa640, 31054}, {0xa642, 0xa66c, 2}, {0xa680, 0xa69a, 2},
	{0xa722, 0xa72e, 2}, {0xa732, 0xa76e, 2}, {0xa779, 0xa77d, 2}, {0xa77e, 0xa786, 2},
	{0xa78b, 0xa78d, 2}, {0xa790, 0xa792, 2}, {0xa796, 0xa7aa, 2}, {0xa7ab, 0xa7ae, 1},
	{0xa7b0, 0xa7b4, 1}, {0xa7b6, 0xa7c4, 2}, {0xa7c5, 0xa7c7, 1}, {0xa7c9, 0xa7d0, 7},
	{0xa7d6, 0xa7d8, 2}, {0xa7f5, 0xff21, 22316}, {0xff22, 0xff3a, 1}, {0x10400, 0x10427, 1},
	{0x104b0, 0x104d3, 1}, {0x10570, 0x1057a, 1}, {0x1057c, 0x1058a, 1}, {0x1058c, 0x10592, 1},
	{0x10594, 0x10595, 1}, {0x10c80, 0x10cb2, 1}, {0x118a0, 0x118bf, 1}, {0x16e40, 0x16e5f, 1},
	{0x1e900, 0x1e921, 1},
};

static const struct unicode_stride folded_lt[] = {
	{0x1c4, 0x1c6, 2}, {0x1c7, 0x1c9, 2}, {0x1ca, 0x1cc, 2}, {0x1f1, 0x1f3, 2},
	{0x1f80, 0x1f87, 1}, {0x1f90, 0x1f97, 1}, {0x1fa0, 0x1fa7, 1}, {0x1fb3, 0x1fc3, 16},
	{0x1ff3, 0x1ff3, 1},
};

static const struct unicode_stride folded_lu[] = {
	{0x61, 0x7a, 1}, {0xb5, 0xdf, 42}, {0xe0, 0xf6, 1}, {0xf8, 0xff, 1}, {0x101, 0x12f, 2},
	{0x133, 0x137, 2}, {0x13a, 0x148, 2}, {0x14b, 0x177, 2}, {0x17a, 0x17e, 2},
	{0x17f, 0x180, 1}, {0x183, 0x185, 2}, {0x188, 0x18c, 4}, {0x192, 0x195, 3},
	{0x199, 0x19a, 1}, {0x19e, 0x1a1, 3}, {0x1a3, 0x1a5, 2}, {0x1a8, 0x1ad, 5},
	{0x1b0, 0x1b4, 4}, {0x1b6, 0x1b9, 3}, {0x1bd, 0x1bf, 2}, {0x1c5, 0x1c6, 1},
	{0x1c8, 0x1c9, 1}, {0x1cb, 0x1cc, 1}, {0x1ce, 0x1dc, 2}, {0x1dd, 0x1ef, 2},
	{0x1f2, 0x1f3, 1}, {0x1f5, 0x1f9, 4}, {0x1fb, 0x21f, 2}, {0x223, 0x233, 2},
	{0x23c, 0x23f, 3}, {0x240, 0x242, 2}, {0x247, 0x24f, 2}, {0x250, 0x254, 1},
	{0x256, 0x257, 1}, {0x259, 0x25b, 2}, {0x25c, 0x260, 4}, {0x261, 0x265, 2},
	{0x266, 0x268, 2}, {0x269, 0x26c, 1}, {0x26f, 0x271, 2}, {0x272, 0x275, 3},
	{0x27d, 0x280, 3}, {0x282, 0x283, 1}, {0x287, 0x28c, 1}, {0x292, 0x29d, 11},
	{0x29e, 0x345, 167}, {0x371, 0x373, 2}, {0x377, 0x37b, 4}, {0x37c, 0x37d, 1},
	{0x3ac, 0x3af, 1}, {0x3b1, 0x3ce, 1}, {0x3d0, 0x3d1, 1}, {0x3d5, 0x3d7, 1},
	{0x3d9, 0x3ef, 2}, {0x3f0, 0x3f3, 1}, {0x3f5, 0x3fb, 3}, {0x430, 0x45f, 1},
	{0x461, 0x481, 2}, {0x48b, 0x4bf, 2}, {0x4c2, 0x4ce, 2}, {0x4cf, 0x52f, 2},
	{0x561, 0x586, 1}, {0x10d0, 0x10fa, 1}, {0x10fd, 0x10ff, 1}, {0x13f8, 0x13fd, 1},
	{0x1c80, 0x1c88, 1}, {0x1d79, 0x1d7d, 4}, {0x1d8e, 0x1e01, 115}, {0x1e03, 0x1e95, 2},
	{0x1e9b, 0x1ea1, 6}, {0x1ea3, 0x1eff, 2}, {0x1f00, 0x1f07, 1}, {0x1f10, 0x1f15, 1},
	{0x1f20, 0x1f27, 1}, {0x1f30, 0x1f37, 1}, {0x1f40, 0x1f45, 1}, {0x1f51, 0x1f57, 2},
	{0x1f60, 0x1f67, 1}, {0x1f70, 0x1f7d, 1}, {0x1fb0, 0x1fb1, 1}, {0x1fbe, 0x1fd0, 18},
	{0x1fd1, 0x1fe0, 15}, {0x1fe1, 0x1fe5, 4}, {0x214e, 0x2184, 54}, {0x2c30, 0x2c5f, 1},
	{0x2c61, 0x2c65, 4}, {0x2c66, 0x2c6c, 2}, {0x2c73, 0x2c76, 3}, {0x2c81, 0x2ce3, 2},
	{0x2cec, 0x2cee, 2}, {0x2cf3, 0x2d00, 13}, {0x2d01, 0x2d25, 1}, {0x2d27, 0x2d2d, 6},
	{0xa641, 0xa66d, 2}, {0xa681, 0xa69b, 2}, {0xa723, 0xa72f, 2}, {0xa733, 0xa76f, 2},
	{0xa77a, 0xa77c, 2}, {0xa77f, 0xa787, 2}, {0xa78c, 0xa791, 5}, {0xa793, 0xa794, 1},
	{0xa797, 0xa7a9, 2}, {0xa7b5, 0xa7c3, 2}, {0xa7c8, 0xa7ca, 2}, {0xa7d1, 0xa7d7, 6},
	{0xa7d9, 0xa7f6, 29}, {0xab53, 0xab70, 29}, {0xab71, 0xabbf, 1}, {0xff41, 0xff5a, 1},
	{0x10428, 0x1044f, 1}, {0x104d8, 0x104fb, 1}, {0x10597, 0x105a1, 1}, {0x105a3, 0x105b1, 1},
	{0x105b3, 0x105b9, 1}, {0x105bb, 0x105bc, 1}, {0x10cc0, 0x10cf2, 1}, {0x118c0, 0x118df, 1},
	{0x16e60, 0x16e7f, 1}, {0x1e922, 0x1e943, 1},
};

static const struct unicode_stride folded_m[] = {
	{0x399, 0x3b9, 32}, {0x1fbe, 0x1fbe, 1},
};

static const struct unicode_stride folded_mn[] = {
	{0x399, 0x3b9, 32}, {0x1fbe, 0x1fbe, 1},
};

static const struct unicode_stride folded_common[] = {
	{0x39c, 0x3bc, 32},
};

static const struct unicode_stride folded_greek[] = {
	{0xb5, 0x345, 656},
};

static const struct unicode_stride folded_inherited[] = {
	{0x399, 0x3b9, 32}, {0x1fbe, 0x1fbe, 1},
};

#define PLAIN(name)          {name, NULL, 0}
#define FOLDED(name, folded) {name, folded, ARRAY_SIZE(folded)}

static const struct unicode_property categories[] = {
	PLAIN("C"), PLAIN("Cc"), PLAIN("Cf"), PLAIN("Cn"), PLAIN("Co"), PLAIN("Cs"),
	FOLDED("L", folded_l), PLAIN("L&"), FOLDED("Ll", folded_ll), PLAIN("Lm"), PLAIN("Lo"),
	FOLDED("Lt", folded_lt), FOLDED("Lu", folded_lu), FOLDED("M", folded_m), PLAIN("Mc"),
	PLAIN("Me"), FOLDED("Mn", folded_mn), PLAIN("N"), PLAIN("Nd"), PLAIN("Nl"), PLAIN("No"),
	PLAIN("P"), PLAIN("Pc"), PLAIN("Pd"), PLAIN("Pe"), PLAIN("Pf"), PLAIN("Pi"), PLAIN("Po"),
	PLAIN("Ps"), PLAIN("S"), PLAIN("Sc"), PLAIN("Sk"), PLAIN("Sm"), PLAIN("So"), PLAIN("Z"),
	PLAIN("Zl"), PLAIN("Zp"), PLAIN("Zs"),
};

static const struct {
	const char *name, *category;
} aliases[] = {
	{"lc", "L&"}, {"casedletter", "L&"}, {"closepunctuation", "Pe"}, {"combiningmark", "M"},
	{"connectorpunctuation", "Pc"}, {"control", "Cc"}, {"cntrl", "Cc"},
	{"currencysymbol", "Sc"}, {"dashpunctuation", "Pd"}, {"decimalnumber", "Nd"},
	{"digit", "Nd"}, {"enclosingmark", "Me"}, {"finalpunctuation", "Pf"}, {"format", "Cf"},
	{"initialpunctuation", "Pi"}, {"letter", "L"}, {"letternumber", "Nl"},
	{"lineseparator", "Zl"}, {"lowercaseletter", "Ll"}, {"mark", "M"}, {"mathsymbol", "Sm"},
	{"modifierletter", "Lm"}, {"modifiersymbol", "Sk"}, {"nonspacingmark", "Mn"},
	{"number", "N"}, {"openpunctuation", "Ps"}, {"other", "C"}, {"otherletter", "Lo"},
	{"othernumber", "No"}, {"otherpunctuation", "Po"}, {"othersymbol", "So"},
	{"paragraphseparator", "Zp"}, {"privateuse", "Co"}, {"punctuation", "P"}, {"punct", "P"},
	{"separator", "Z"}, {"spaceseparator", "Zs"}, {"spacingmark", "Mc"}, {"surrogate", "Cs"},
	{"symbol", "S"}, {"titlecaseletter", "Lt"}, {"unassigned", "Cn"}, {"uppercaseletter", "Lu"},
};

/* PCRE2 takes a bare script name as Script_Extensions; Go has the Script property. */
#define SCRIPT_PREFIX "sc:"
#define S(name)       PLAIN(SCRIPT_PREFIX name)

static const struct unicode_property scripts[] = {
	FOLDED("sc:Common", folded_common), FOLDED("sc:Greek", folded_greek),
	FOLDED("sc:Inherited", folded_inherited),
	S("Adlam"),  S("Ahom"),  S("Arabic"),  S("Armenian"),  S("Avestan"),  S("Balinese"),
	 S("Bamum"),  S("Batak"),  S("Bengali"), S("Bhaiksuki"),  S("Bopomofo"),  S("Brahmi"),
	 S("Braille"),  S("Buginese"),  S("Buhid"),  S("Carian"),  S("Chakma"), S("Cham"),
	 S("Cherokee"),  S("Chorasmian"),  S("Coptic"),  S("Cuneiform"),  S("Cypriot"),
	 S("Cyrillic"),  S("Deseret"), S("Devanagari"),  S("Dogra"),  S("Duployan"),  S("Elbasan"),
	 S("Elymaic"),  S("Ethiopic"),  S("Georgian"), S("Glagolitic"),  S("Gothic"),  S("Grantha"),
	 S("Gujarati"),  S("Gurmukhi"),  S("Han"),  S("Hangul"),  S("Hanunoo"), S("Hatran"),
	 S("Hebrew"),  S("Hiragana"),  S("Javanese"),  S("Kaithi"),  S("Kannada"),  S("Katakana"),
	 S("Kawi"), S("Kharoshthi"),  S("Khmer"),  S("Khojki"),  S("Khudawadi"),  S("Lao"),
	 S("Latin"),  S("Lepcha"),  S("Limbu"),  S("Lisu"), S("Lycian"),  S("Lydian"),
	 S("Mahajani"),  S("Makasar"),  S("Malayalam"),  S("Mandaic"),  S("Manichaean"),
	 S("Marchen"), S("Medefaidrin"),  S("Miao"),  S("Modi"),  S("Mongolian"),  S("Mro"),
	 S("Multani"),  S("Myanmar"),  S("Nabataean"), S("Nandinagari"),  S("Newa"),  S("Nko"),
	 S("Nushu"),  S("Ogham"),  S("Oriya"),  S("Osage"),  S("Osmanya"),  S("Palmyrene"),
	S("Phoenician"),  S("Rejang"),  S("Runic"),  S("Samaritan"),  S("Saurashtra"),
	 S("Sharada"),  S("Shavian"),  S("Siddham"), S("Sinhala"),  S("Sogdian"),  S("Soyombo"),
	 S("Sundanese"),  S("Syriac"),  S("Tagalog"),  S("Tagbanwa"),  S("Takri"), S("Tamil"),
	 S("Tangsa"),  S("Tangut"),  S("Telugu"),  S("Thaana"),  S("Thai"),  S("Tibetan"),
	 S("Tifinagh"),  S("Tirhuta"), S("Toto"),  S("Ugaritic"),  S("Vai"),  S("Vithkuqi"),
	 S("Wancho"),  S("Yezidi"),  S("Yi"),
};
/* clang-format on */

#define NAME_MAX_LENGTH 32 /* longer than any name above */

/* Lower case, without spaces, hyphens and underscores; false where it is longer than any name. */
static bool normalise(char out[NAME_MAX_LENGTH + 1], const char *name, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '_' || c == '-' || c == ' ')
			continue;
		if (n == NAME_MAX_LENGTH || c == '\0')
			return false;
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[n] = '\0';
	return true;
}

static const struct unicode_property *category(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(categories); i++)
		if (strcasecmp(categories[i].name, name) == 0)
			return &categories[i];
	return NULL;
}

const struct unicode_property *unicode_property_find(const char *name, size_t len)
{
	char normal[NAME_MAX_LENGTH + 1];

	if (!normalise(normal, name, len))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].name, normal) == 0)
			return category(aliases[i].category);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		if (strcasecmp(scripts[i].name + strlen(SCRIPT_PREFIX), normal) == 0)
			return &scripts[i];
	return strcmp(normal, "l&") == 0 ? NULL : category(normal);
}
