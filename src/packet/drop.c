/* SPDX-License-Identifier: BSD-2-Clause */
/* drop.c: the end of a packet. Out of line, so that a debugger that stops here has the code that
 * refused the packet as its caller, in an optimised build too; drops are no hot path. */
#include "miresga/packet.h"

BREAKABLE void packet_drop(struct packet *p, enum drop_reason why)
{
	p->fate = FATE_DROP;
	p->drop = (uint8_t)why;
}
