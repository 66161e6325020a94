/* SPDX-License-Identifier: BSD-2-Clause */
/* keys.h: how a row of the tables of keys says which field of which struct it fills. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "miresga/config.h"
#include "miresga/config_keys.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define ELEMENTS(type, array, counter) \
	.offset = offsetof(struct type, array), .width = sizeof(((struct type *)0)->array[0]), \
	.count_offset = offsetof(struct type, counter), .min = 1, .max = ARRAY_LEN(((struct type *)0)->array)
#define KEYS(array) .keys = (array), .key_count = ARRAY_LEN(array)

#define MI (UINT64_C(1) << 20)
#define HOUR (3600 * NS_PER_S)

/* keys_simulation.c */
extern const struct config_section config_simulation_section;

#endif
