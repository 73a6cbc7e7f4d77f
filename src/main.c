// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

int main(void)
{
	puts("dockprof " DOCKPROF_VERSION " (" DOCKPROF_COMMIT ")");
	return 0;
}
