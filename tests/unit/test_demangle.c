// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors, and the symbols of libstdc++ against llvm-cxxfilt, another implementation. The texts of the vectors
 * are those of c++filt and rustfilt in mode full; the shorter ones follow from them.
 */
#include "symbols/demangle.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macros.h"
#include "unit.h"

static const struct vector {
	const char *name, *simplified, *templates, *full;
} vectors[] = {
	{"_Z3foov", "foo", "foo", "foo()"},
	{"_ZN1a1b1cEidPKc", "a::b::c", "a::b::c", "a::b::c(int, double, char const*)"},
	{"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector::push_back",
		"std::vector<int, std::allocator<int> >::push_back",
		"std::vector<int, std::allocator<int> >::push_back(int const&)"},
	{"_ZN3foo3barIiE3bazIcEEvT_", "foo::bar::baz", "foo::bar<int>::baz<char>",
		"void foo::bar<int>::baz<char>(char)"},
	{"_ZNSt8functionIFvvEEclEv", "std::function::operator()",
		"std::function<void ()>::operator()", "std::function<void ()>::operator()()"},
	{"_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo", "(anonymous namespace)::foo",
		"(anonymous namespace)::foo()"},
	/* The parameters of the function around a lambda go as well; its own are its name. */
	{"_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()",
		"main::{lambda(int)#1}::operator()",
		"main::{lambda(int)#1}::operator()(int) const"},
	{"_ZZN3Foo3barEiENKUlT_E_clIiEEDaS0_", "Foo::bar::{lambda(auto:1)#1}::operator()",
		"Foo::bar::{lambda(auto:1)#1}::operator()<int>",
		"auto Foo::bar(int)::{lambda(auto:1)#1}::operator()<int>(int) const"},
	{"_ZNK3Foo3barEv", "Foo::bar", "Foo::bar", "Foo::bar() const"},
	{"_ZN3FooC2Ev", "Foo::Foo", "Foo::Foo", "Foo::Foo()"},
	{"_ZN3FooD0Ev", "Foo::~Foo", "Foo::~Foo", "Foo::~Foo()"},
	{"_ZN3FoolsIiEERS_T_", "Foo::operator<<", "Foo::operator<< <int>",
		"Foo& Foo::operator<< <int>(int)"},
	{"_ZN3FoocvSt6vectorIiSaIiEEEv", "Foo::operator std::vector",
		"Foo::operator std::vector<int, std::allocator<int> >",
		"Foo::operator std::vector<int, std::allocator<int> >()"},
	/* What the conversion is to stands in the arguments, so they stay. */
	{"_ZN1xcvT_IiEEv", "x::operator int<int>", "x::operator int<int>",
		"x::operator int<int>()"},
	{"_ZThn16_N3Foo3barEv", "non-virtual thunk to Foo::bar", "non-virtual thunk to Foo::bar",
		"non-virtual thunk to Foo::bar()"},
	{"_ZNKSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE4sizeB6v15000Ev",
		"std::__1::basic_string::size[abi:v15000]",
		"std::__1::basic_string<char, std::__1::char_traits<char>, "
		"std::__1::allocator<char> >::size[abi:v15000]",
		"std::__1::basic_string<char, std::__1::char_traits<char>, "
		"std::__1::allocator<char> >::size[abi:v15000]() const"},
	/* Clones are the function that they were made of. */
	{"_Z3foov.cold", "foo", "foo", "foo()"},
	{"_ZN1a1bEi.constprop.0.isra.0", "a::b", "a::b", "a::b(int)"},
	/* What others put behind a name stays. */
	{"_ZNSs6appendEPKc@plt", "std::string::append@plt", "std::string::append@plt",
		"std::string::append(char const*)@plt"},
};

/* The same in all modes. */
static const char *const rust[][2] = {
	{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
	{"_ZN4core3ptr85drop_in_place$LT$std..rt..lang_start$LT$$LP$$RP$$GT$..$u7b$$u7b$closure$u7d$"
	 "$u7d$$GT$17h0123456789abcdefE.llvm.123",
		"core::ptr::drop_in_place<std::rt::lang_start<()>::{{closure}}>"},
	{"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar"
	 "17h930b740aa94f1d3aE",
		"<Test + 'static as foo::Bar<Test>>::bar"},
	{"_RNvC6_123foo3bar", "123foo::bar"},
	{"_RINvNtC3std4iter3mapllE", "std::iter::map::<i32, i32>"},
	{"_RNvXs_Cs1234_7mycrateNtB4_3FooNtB4_3Bar3baz", "<mycrate::Foo as mycrate::Bar>::baz"},
	{"_RNCNvCs1234_7mycrate4main0Cs5678_5other", "mycrate::main::{closure#0}"},
};

static const char *const untouched[] = {
	"main",
	"",
	"_",
	"_Z",
	"_R",
	"__libc_start_main",
	"_start",
	"_ZN",
	"_Z3fo",
	"_ZNSt6vectorIiSaIiEE9push_backERKi!!",
	"_D3std5stdio7writelnFAyaZv", /* D */
	"$s4main3fooyyF", /* Swift */
	"_$s4main3fooyyF",
	"runtime.mallocgc",
	"@plt",
	"_GLOBAL__sub_I_main",
};

static void expect(enum demangle_mode mode, const char *name, const char *want)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&out, "before ");
	bool ok = demangle(mode, name, &out);

	ck_assert_msg(ok == (want != NULL), "%s: %d", name, ok);
	ck_assert_msg(strncmp(out.buf, "before ", 7) == 0, "%s: %s", name, out.buf);
	ck_assert_msg(strcmp(out.buf + 7, want ? want : "") == 0, "%s: %s, not %s", name,
		out.buf + 7, want);
}

START_TEST(names_of_cplus_in_three_lengths)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		expect(DEMANGLE_SIMPLIFIED, vectors[i].name, vectors[i].simplified);
		expect(DEMANGLE_TEMPLATES, vectors[i].name, vectors[i].templates);
		expect(DEMANGLE_FULL, vectors[i].name, vectors[i].full);
		expect(DEMANGLE_NONE, vectors[i].name, NULL);
	}
}
END_TEST

START_TEST(names_of_rust)
{
	for (size_t i = 0; i < ARRAY_SIZE(rust); i++) {
		expect(DEMANGLE_SIMPLIFIED, rust[i][0], rust[i][1]);
		expect(DEMANGLE_FULL, rust[i][0], rust[i][1]);
		expect(DEMANGLE_NONE, rust[i][0], NULL);
	}
}
END_TEST

START_TEST(other_names_stay_as_they_are)
{
	for (size_t i = 0; i < ARRAY_SIZE(untouched); i++)
		for (int mode = DEMANGLE_NONE; mode <= DEMANGLE_FULL; mode++)
			expect((enum demangle_mode)mode, untouched[i], NULL);
}
END_TEST

static char *repeated(const char *head, const char *unit, size_t count, const char *tail)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_add_str(&sb, head);
	for (size_t i = 0; i < count; i++)
		strbuf_add_str(&sb, unit);
	strbuf_add_str(&sb, tail);
	return strbuf_detach(&sb);
}

/* As long as it may be, in nested templates: real names have a tenth of it. */
START_TEST(long_names_are_demangled)
{
	char *close cleanup_free = repeated("", "E", 401, "vv");
	char *name cleanup_free = repeated("_ZN3fooI", "3fooI", 399, "i");
	char *whole cleanup_free = xasprintf("%s%s", name, close);

	expect(DEMANGLE_SIMPLIFIED, whole, "foo");
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	ck_assert(demangle(DEMANGLE_FULL, whole, &out));
	ck_assert_ptr_nonnull(strstr(out.buf, "void foo<foo<foo<"));
}
END_TEST

/* Each takes a demangler that trusts it hours, gigabytes, or its stack. */
START_TEST(hostile_names_are_refused_quickly)
{
	char *names[] = {
		/* Exponential in time. */
		repeated("_ZN1xcv", "T_I", 60,
			"iEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"
			"EEEEEEEEEEv"),
		/* A long array on the stack. */
		repeated("_Z1fI", "RT_", 650, "1aIiE1aIiE1aIiE1aIiE1aIiE1aIiE1aIiEEvv"),
		/* Exponential in size: each type is a pair of the one before. */
		repeated("_Z1f", "", 0,
			"St4pairIiiES_IS0_S0_ES_IS1_S1_ES_IS2_S2_ES_IS3_S3_ES_IS4_S4_ES_IS5_S5_ES_"
			"IS6_S6_ES_IS7_S7_ES_IS8_S8_ES_IS9_S9_ES_ISA_SA_ES_ISB_SB_ES_ISC_SC_ES_"
			"ISD_SD_ES_ISE_SE_ES_ISF_SF_ES_ISG_SG_ES_ISH_SH_ES_ISI_SI_ES_ISJ_SJ_E"),
		/* Deep. */
		repeated("_Z1f", "P", 4000, "i"),
		repeated("_Z", "Z", 4000, "1fvE1gv"),
		repeated("_RINvC1a1f", "T", 4000, "E"),
		repeated("_RNvC1a", "INvC1a1fTBb_Bb_E", 200, ""),
		/* A reference to qualifiers of nothing, which are cut. */
		repeated("_ZNT_IEcvRRRRRRVRRKKFKKKKKRT_OEEv", "", 0, ""),
		/* Too long. */
		repeated("_Z1f", "i", DEMANGLE_INPUT_MAX, ""),
	};
	int64_t start_ns = clock_monotonic_ns();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (int mode = DEMANGLE_SIMPLIFIED; mode <= DEMANGLE_FULL; mode++) {
			struct strbuf out cleanup_strbuf = STRBUF_INIT;

			demangle((enum demangle_mode)mode, names[i], &out);
			ck_assert_uint_le(out.len, DEMANGLE_OUTPUT_MAX);
		}
		free(names[i]);
	}
	ck_assert_int_lt(clock_monotonic_ns() - start_ns, 2 * NSEC_PER_SEC);
}
END_TEST

/*
 * nullptr_t is decltype(nullptr) to one and std::nullptr_t to the other; LLVM knows no transactions, and
 * forgets the name of a constructor behind an ABI tag.
 */
static bool differs_in_taste(const char *name)
{
	return strstr(name, "Dn") || strstr(name, "_ZGT") || strstr(name, "B5cxx11");
}

/* "a<b> >" as "a<b>>", "operator<< <int>" as "operator<<<int>". */
static void close_up(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++)
		if (!(p[0] == ' ' && p > text &&
			    ((p[1] == '>' && p[-1] == '>') || (p[1] == '<' && p[-1] == '<'))))
			*to++ = *p;
	*to = '\0';
}

START_TEST(the_library_of_cplus_is_named_as_llvm_does)
{
	static const char command[] =
		"nm -D --defined-only --without-symbol-versions "
		"$(${CC:-gcc} -print-file-name=libstdc++.so.6) 2>/dev/null | "
		"awk '$3 ~ /^_Z/ { print $3 }' | sort -u > /tmp/dockprof-demangle.$$ && "
		"llvm-cxxfilt < /tmp/dockprof-demangle.$$ | paste /tmp/dockprof-demangle.$$ -; "
		"rm -f /tmp/dockprof-demangle.$$";
	FILE *f = popen(command, "r");
	char line[16384];
	size_t same = 0, tasted = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;
		char *want = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (!want)
			continue;
		*want++ = '\0';
		bool ok = demangle(DEMANGLE_FULL, line, &out);

		close_up(want);
		close_up(out.buf);
		if (ok && strcmp(out.buf, want) == 0)
			same++;
		else if (differs_in_taste(line))
			tasted++;
		else
			ck_abort_msg("%s: %s, LLVM: %s", line, out.buf, want);
	}
	pclose(f);
	fprintf(stderr, "%zu names the same, %zu not compared\n", same, tasted);
	ck_assert_uint_gt(same, 2000);
	ck_assert_uint_lt(tasted * 20, same);
}
END_TEST

UNIT_MAIN("demangle", names_of_cplus_in_three_lengths, names_of_rust, other_names_stay_as_they_are,
	long_names_are_demangled, hostile_names_are_refused_quickly,
	the_library_of_cplus_is_named_as_llvm_does)
