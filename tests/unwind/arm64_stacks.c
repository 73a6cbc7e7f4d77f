// SPDX-License-Identifier: Apache-2.0
/*
 * A program for arm64 that writes the stack it stands on: struct arm64_image (tests/lib/arm64_image.h), then all
 * from the stack pointer to where the stack began. It needs no C library, so the file is small enough to be kept
 * (make arm64-stacks). What is on the stack, outermost first:
 *
 *	_start			the end: its return address is undefined
 *	main, deep * 12		return addresses signed, frames found by sp
 *	aligned			a frame found by x29, for its size is known only when it runs
 *	interrupted		a leaf without a frame: its caller is in x30 as the signal frame has it
 *	sigreturn		the kernel's signal frame
 *	on_signal
 *	write_stack		a leaf again, whose caller is in x30
 */
#include "lib/arm64_image.h"

#define SIGUSR1     10
#define SA_RESTORER 0x04000000UL
#define DEPTH       12

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

uint64_t stack_top;
static struct arm64_image image;
static int seed = 1;

int main(void);
void write_stack(struct arm64_image *image, uint64_t top);
void interrupted(void);
void sigreturn(void);

__asm__(".text\n"
	".globl _start\n"
	".type _start, %function\n"
	"_start:\n"
	".cfi_startproc\n"
	".cfi_undefined x30\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	adrp x1, stack_top\n"
	"	mov x0, sp\n"
	"	str x0, [x1, :lo12:stack_top]\n"
	"	bl main\n"
	"	brk #1\n"
	".cfi_endproc\n"
	".size _start, . - _start\n"

	/* As the vdso and C libraries have it: no table speaks of it. */
	".type sigreturn, %function\n"
	"	nop\n"
	"sigreturn:\n"
	"	mov x8, #139\n"
	"	svc #0\n"
	".size sigreturn, . - sigreturn\n"

	/* tgkill(getpid(), gettid(), SIGUSR1) */
	".type interrupted, %function\n"
	"interrupted:\n"
	".cfi_startproc\n"
	"	mov x8, #172\n"
	"	svc #0\n"
	"	mov x9, x0\n"
	"	mov x8, #178\n"
	"	svc #0\n"
	"	mov x1, x0\n"
	"	mov x0, x9\n"
	"	mov x2, #10\n"
	"	mov x8, #131\n"
	"	svc #0\n"
	"	ret\n"
	".cfi_endproc\n"
	".size interrupted, . - interrupted\n"

	/* x0: where to keep the registers, x1: the stack's end. Writes both and exits. */
	".type write_stack, %function\n"
	"write_stack:\n"
	".cfi_startproc\n"
	"	stp x0, x1, [x0]\n"
	"	stp x2, x3, [x0, #16]\n"
	"	stp x4, x5, [x0, #32]\n"
	"	stp x6, x7, [x0, #48]\n"
	"	stp x8, x9, [x0, #64]\n"
	"	stp x10, x11, [x0, #80]\n"
	"	stp x12, x13, [x0, #96]\n"
	"	stp x14, x15, [x0, #112]\n"
	"	stp x16, x17, [x0, #128]\n"
	"	stp x18, x19, [x0, #144]\n"
	"	stp x20, x21, [x0, #160]\n"
	"	stp x22, x23, [x0, #176]\n"
	"	stp x24, x25, [x0, #192]\n"
	"	stp x26, x27, [x0, #208]\n"
	"	stp x28, x29, [x0, #224]\n"
	"	mov x9, sp\n"
	"	adr x10, .\n"
	"	stp x30, x9, [x0, #240]\n"
	"	str x10, [x0, #256]\n"
	"	sub x11, x1, x9\n"
	"	mov x1, x0\n"
	"	mov x2, #264\n"
	"	mov x0, #1\n"
	"	mov x8, #64\n"
	"	svc #0\n"
	"	mov x1, x9\n"
	"	mov x2, x11\n"
	"	mov x0, #1\n"
	"	svc #0\n"
	"	mov x0, #0\n"
	"	mov x8, #94\n"
	"	svc #0\n"
	".cfi_endproc\n"
	".size write_stack, . - write_stack\n");

static long rt_sigaction(int signal, const struct kernel_sigaction *action)
{
	register long x0 __asm__("x0") = signal;
	register const void *x1 __asm__("x1") = action;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 8;
	register long x8 __asm__("x8") = 134;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x8) : "memory");
	return x0;
}

static __attribute__((noinline)) void on_signal(int signal)
{
	char room[48];

	__asm__ volatile("" : : "r"(room), "r"(signal) : "memory");
	write_stack(&image, stack_top);
	__asm__ volatile("" : : "r"(room) : "memory");
}

static __attribute__((noinline)) int aligned(int n)
{
	char *room = __builtin_alloca((unsigned long)n * 16);

	__asm__ volatile("" : : "r"(room) : "memory");
	interrupted();
	return room[0];
}

static __attribute__((noinline)) int deep(int n)
{
	int below = n ? deep(n - 1) : aligned(seed);

	__asm__ volatile("" : "+r"(below));
	return below + n;
}

int main(void)
{
	struct kernel_sigaction action = {on_signal, SA_RESTORER, sigreturn, 0};

	if (rt_sigaction(SIGUSR1, &action) < 0)
		return 1;
	return deep(DEPTH) + seed;
}
