/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_config.c: input: a configuration's text.
 *
 * It is refused with a message that names the file, or gives a configuration whose references lead somewhere, and
 * which, printed, is accepted again and prints the same. */
#include <stdio.h>

#include "fuzz.h"
#include "miresga/config.h"

#define NAME "fuzz.yaml"

static void count_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	unsigned *errors = ctx;

	MUST(strcmp(file, NAME) == 0 && message[0] && (line > 0 || column == 0));
	(*errors)++;
}

static bool load(struct config *c, const void *text, size_t len)
{
	unsigned errors = 0;
	int rc = config_load_memory(c, NAME, text, len, count_error, &errors);

	MUST((rc == 0) == (errors == 0));
	return rc == 0;
}

static void check_references(const struct config *c)
{
	MUST(c->backend_count >= 1 && c->backend_count <= BACKENDS_MAX);
	MUST(c->frontends.count >= 1 && c->frontends.count <= FRONTENDS_MAX);
	for (unsigned i = 0; i < c->pool_count; i++)
		for (unsigned j = 0; j < c->pools[i].member_count; j++)
			MUST(c->pools[i].members[j] < c->backend_count);
	for (unsigned i = 0; i < c->rule_count; i++)
		MUST(c->rules[i].pool < c->pool_count);
}

/* Every key, in text that the caller frees. */
static char *print(const struct config *c, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	MUST(out && config_print(c, true, out) == 0);
	fclose(out);
	return text;
}

FUZZ_TARGET(config)
{
	struct config *c = malloc(sizeof(*c)), *again = malloc(sizeof(*again));
	char *text, *second;
	size_t len, second_len;

	MUST(c && again);
	if (load(c, data, size)) {
		check_references(c);
		text = print(c, &len);
		MUST(load(again, text, len));
		second = print(again, &second_len);
		MUST(second_len == len && memcmp(text, second, len) == 0);
		free(text);
		free(second);
	}
	free(c);
	free(again);
	return 0;
}
