/* SPDX-License-Identifier: BSD-2-Clause */
/* quirk.h: behaviours of the published code that can be switched back on. The default is
 * corrected; the ids are those of the defect list that docs/quirks.md explains. Each has a test
 * that shows the harm with it and none without. */
#ifndef MIRESGA_QUIRK_H
#define MIRESGA_QUIRK_H

#include <stdint.h>

/* X(ID, "what the published code does") */
#define QUIRKS(X) \
	X(P2, "SYN-ACK always offers MSS 1460, SACK and window scale 7, whatever the client sent") \
	X(P3, "ISN is CRC-32 of client address and port; nothing validates the returning ACK") \
	X(F5, "a FIN becomes RST both ways and the flow is erased") \
	X(F8, "request segments that arrive while the backend is being connected are dropped") \
	X(F10, "the special SYN has MSS 1460, window scale 9 and SACK, whatever the client sent") \
	X(A1, "the agent removes no entry on RST, FIN or idle") \
	X(A3, "a new special SYN does not renew an existing pair's Δ") \
	X(A7, "SACK is found only at option offset 0, 1 or 2; timestamps are not shifted") \
	X(C3, "adds are applied before deletes of the same batch, and failures are ignored")

enum quirk {
#define X(id, text) QUIRK_##id,
	QUIRKS(X)
#undef X
	QUIRK_COUNT
};
#define QUIRK_BIT(q) (UINT32_C(1) << (q))
#define QUIRKS_ALL (QUIRK_BIT(QUIRK_COUNT) - 1)

const char *quirk_id(enum quirk q);
const char *quirk_text(enum quirk q);
/* Parses one id ("F5"), case-insensitive. Returns the quirk or -1. */
int quirk_from_id(const char *id, unsigned long len);

#endif
