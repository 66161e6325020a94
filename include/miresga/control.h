/* SPDX-License-Identifier: BSD-2-Clause */
/* control.h: what front-ends and the switch's control plane say to each other. One ring of
 * operations each way; a reply for every operation, in the order in which they took effect. */
#ifndef MIRESGA_CONTROL_H
#define MIRESGA_CONTROL_H

#include "miresga/wire.h"

enum control_kind {
	CONTROL_ADD,
	CONTROL_DELETE,
};

struct control_op {
	struct endpoint client; /* the key <CIP,CPort> */
	uint32_t serial;	/* the front-end's, copied into the reply */
	uint16_t frontend;	/* who asks */
	uint8_t kind;		/* enum control_kind */
	uint8_t d_index;	/* CONTROL_ADD: the backend */
};

enum control_status {
	CONTROL_OK,
	CONTROL_FULL,	 /* add: no place within eight cuckoo moves */
	CONTROL_EXISTS,	 /* add: the key is there already, with its old value */
	CONTROL_MISSING, /* delete: no such key */
};

struct control_reply {
	struct control_op op;
	uint8_t status;	     /* enum control_status */
	uint64_t asked_ns;   /* when it was submitted */
	uint64_t applied_ns; /* when it took effect */
};

#endif
