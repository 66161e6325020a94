/* SPDX-License-Identifier: BSD-2-Clause */
/* secret.c: the secret that switch, front-ends and agents of one set-up share, from a file of its own, so that the
 * configuration may be read by everybody.
 *
 * The file holds 32 hex digits, and perhaps white space behind them. One that others than owner and group can read is
 * refused: who knows the secret can announce flows. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "load.h"
#include "miresga/config.h"
#include "value.h"

static int refuse(const char *path, const char *why, char *error, size_t size)
{
	snprintf(error, size, "%s: %s", path, why);
	return -1;
}

/* Relative to the configuration's folder. */
static void resolve(const struct config *c, char *out, size_t size)
{
	const char *slash = strrchr(c->file, '/'), *name = c->agent.secret_file;
	int folder = name[0] != '/' && slash ? (int)(slash - c->file) + 1 : 0;

	snprintf(out, size, "%.*s%s", folder, c->file, name);
}

int config_read_secret(struct config *c, char *error, size_t error_size)
{
	const struct config_key *key = config_key_find(&config_root, "secret");
	char path[sizeof(c->file) + CONFIG_PATH_MAX], text[80], message[VALUE_MESSAGE_MAX];
	struct value_text v = { .text = text };
	struct stat st;
	FILE *f;

	if (!c->agent.secret_file[0])
		return 0;
	resolve(c, path, sizeof(path));
	f = fopen(path, "r");
	if (!f)
		return refuse(path, strerror(errno), error, error_size);
	v.len = fread(text, 1, sizeof(text) - 1, f);
	if (fstat(fileno(f), &st))
		st.st_mode = 0;
	fclose(f);
	if (st.st_mode & S_IRWXO)
		return refuse(path, "everybody on this host can read the secret, or write it; chmod o= the file", error,
			      error_size);
	while (v.len > 0 && isspace((unsigned char)text[v.len - 1]))
		v.len--;
	text[v.len] = '\0';
	if (!value_store(key, &v, c, message))
		return refuse(path, message, error, error_size);
	c->has_secret = true;
	config_derive_keys(c);
	return 0;
}
