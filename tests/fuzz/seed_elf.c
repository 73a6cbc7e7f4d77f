// SPDX-License-Identifier: Apache-2.0
/* A program for the fuzzer to start from: functions of all bindings, an alias, a label, no libc. */
void _start(void);
int exported(int x);
int weak_alias(int x);
int resolved(int x);

static int local(int x)
{
	return x * 3;
}

int exported(int x)
{
	return local(x) + 1;
}

int weak_alias(int x) __attribute__((weak, alias("exported")));

__asm__(".text\n.globl label_without_type\nlabel_without_type:\n\tnop\n"
	".type unsized, %function\nunsized:\n\tnop\n");

void _start(void)
{
	for (volatile int i = 0;;)
		i = exported(i) + weak_alias(i);
}
