/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupt.h: how a long command hears of Ctrl-C and SIGTERM. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

/* From here on the first one only sets what interrupt_requested() points to; the second one kills. */
void interrupt_catch(void);
const volatile int *interrupt_requested(void);

#endif
