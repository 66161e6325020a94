/* SPDX-License-Identifier: BSD-2-Clause */
/* value.h: one scalar of the file into one field of a struct, by its key's description. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "miresga/config_keys.h"

struct value_text {
	const char *text; /* terminated; holds no other NUL */
	size_t len;
	bool quoted;
};

#define VALUE_MESSAGE_MAX 640
/* Stores the value into the section's struct. Returns false with a message ("0 is out of range (1 to 256)")
 * and leaves the struct alone if it is none of the key's kind and range. */
bool value_store(const struct config_key *key, const struct value_text *v, void *section,
		 char message[VALUE_MESSAGE_MAX]);
/* Stores the default, if the key has one. */
void value_store_preset(const struct config_key *key, void *section);
/* The field of a number, a choice or a truth value, as value_store() would take it. */
void value_print(const struct config_key *key, const void *section, char *buf, size_t size);
/* Kinds that value_store() knows: one scalar, no reference to anything else. */
bool value_is_plain(enum config_kind kind);

#endif
