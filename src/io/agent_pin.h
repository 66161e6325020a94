/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_pin.h: the folder of an interface's agent in the BPF file system, and what is pinned there. */
#ifndef IO_AGENT_PIN_H
#define IO_AGENT_PIN_H

#include "agent_object.h"
#include "miresga/agent_attach.h"

#define AGENT_PATH_MAX 320

/* An agent's place, and where errors about it go. */
struct agent_place {
	const struct agent_host *host;
	char interface[AGENT_INTERFACE_MAX];
	unsigned ifindex; /* 0: there is no such interface */
	char base[AGENT_PATH_MAX / 2];
	char folder[AGENT_PATH_MAX - 32];
	char *error; /* AGENT_ATTACH_ERROR_MAX */
};

/* What else is pinned there, beside maps. */
#define AGENT_PIN_XDP "xdp"		/* the link */
#define AGENT_PIN_COMPONENT "component" /* the ingress program, where it is in libxdp's dispatcher */
#define AGENT_PIN_TCX "tcx"		/* the link */
#define AGENT_PIN_CLSACT "clsact"	/* the program, where it is a filter */
#define AGENT_PIN_QDISC "qdisc"		/* the program: clsact itself was made by us */

/* Fills *place. Returns 0, or -1 with an error if there is no BPF file system or the name is none. */
int agent_place_find(struct agent_place *place, const struct agent_host *host, const char *interface, char *error);
/* Is there a folder? */
bool agent_place_exists(const struct agent_place *place);
/* Makes the folder. Returns 0, or -1 with an error. */
int agent_place_make(const struct agent_place *place);
/* Removes every pin, and the folder, and the one above if that was the last. Returns 0, or -1 with an error. */
int agent_place_remove(const struct agent_place *place);

/* A descriptor of what is pinned under `name`, or a negative errno. */
int agent_pin_open(const struct agent_place *place, const char *name);
/* Pins fd. Returns 0, or -1 with an error. */
int agent_pin_make(const struct agent_place *place, const char *name, int fd);
void agent_pin_remove(const struct agent_place *place, const char *name);

/* Formats into place->error; returns -1. */
int agent_refuse(const struct agent_place *place, const char *format, ...) FORMAT_PRINTF(2, 3);
void agent_note(const struct agent_place *place, const char *format, ...) FORMAT_PRINTF(2, 3);
/* For errors that lack of privilege can cause: what would be needed, else "". */
const char *agent_advice(int error);

#endif
