// SPDX-License-Identifier: Apache-2.0
/* A program for the fuzzer to start from: functions with all kinds of frames, no libc. x86-64. */
void _start(void);
int leaf(int x);
int variable_frame(int n);
int many_registers(int a, int b, int c, int d, int e, int f);

int leaf(int x)
{
	return x * 3;
}

int variable_frame(int n)
{
	volatile char room[n];

	room[0] = (char)n;
	return room[0] + leaf(n);
}

int many_registers(int a, int b, int c, int d, int e, int f)
{
	int x = variable_frame(a) + variable_frame(b);

	return x * variable_frame(c) + variable_frame(d) * variable_frame(e) + variable_frame(f) +
		a + b + c;
}

/* A lazy PLT entry, a realigned stack, a saved state, a register for the return address, a signal frame. */
__asm__(".text\n"
	"plt:\n.cfi_startproc\n"
	".cfi_escape 0x0f,0x0b,0x77,0x08,0x80,0x00,0x3f,0x1a,0x3b,0x2a,0x33,0x24,0x22\n"
	"nop\nret\n.cfi_endproc\n"
	"realigned:\n.cfi_startproc\nnop\n.cfi_escape 0x0f,0x03,0x76,0x78,0x06\n"
	".cfi_escape 0x10,0x06,0x02,0x76,0x00\nnop\n.cfi_remember_state\n.cfi_def_cfa rsp,8\nret\n"
	".cfi_restore_state\nnop\n.cfi_endproc\n"
	"in_register:\n.cfi_startproc\npop %rdi\n.cfi_def_cfa_offset 0\n.cfi_register rip,rdi\njmp *%rdi\n"
	".cfi_endproc\n"
	".cfi_startproc\n.cfi_signal_frame\n.cfi_escape 0x0f,0x04,0x77,0xa0,0x01,0x06\n"
	".cfi_escape 0x10,0x10,0x03,0x77,0xa8,0x01\n"
	".cfi_escape 0x10,0x06,0x03,0x77,0xf8,0x00\n"
	"nop\nsigreturn:\nmov $15,%rax\nsyscall\n.cfi_endproc\n");

void _start(void)
{
	for (volatile int i = 0;;)
		i = many_registers(i, 2, 3, 4, 5, 6);
}
