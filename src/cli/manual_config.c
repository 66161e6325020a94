/* SPDX-License-Identifier: BSD-2-Clause */
/* manual_config.c: miresga.yaml(5), from the tables of the configuration's keys. */
#include <string.h>

#include "manual.h"
#include "miresga/config_keys.h"
#include "miresga/quirk.h"
#include "roff.h"

/* How a value of each kind is written; NULL: its name says it all. */
static const char *const written[CONFIG_KIND_COUNT] = {
	[CONFIG_KIND_INTEGER] = "Decimal digits, no quotes: `65536`. Not `010`, not `0x10`, not `64k`.",
	[CONFIG_KIND_SIZE] = "A number and its unit: `B`, `KiB`, `MiB`, `GiB` (powers of 1,024), `kB`, `MB`, `GB` "
			     "(powers of 1,000).",
	[CONFIG_KIND_DURATION] = "A number and its unit: `ns`, `us`, `ms`, `s`, `min`, `h`.",
	[CONFIG_KIND_RATE] = "A number and its unit: `/s`, `k/s`, `M/s`.",
	[CONFIG_KIND_BIT_RATE] = "A number and its unit: `bit/s`, `kbit/s`, `Mbit/s`, `Gbit/s`.",
	[CONFIG_KIND_CHANCE] = "A share or a percentage: `0.02`, `2%`; exact to a billionth.",
	[CONFIG_KIND_DECIMAL] = "A number with at most three decimals: `1.5`.",
	[CONFIG_KIND_ADDRESS] = "An IPv4 address and a port: `10.0.1.10:80`; unicast.",
	[CONFIG_KIND_NAME] = "Letters, digits, `.`, `_`, `-`; at most 63 characters.",
	[CONFIG_KIND_HOST] = "A host name without port. `*` only as the whole first label: `\"*.example.org\"`, in "
			     "quotes, as YAML wants it.",
	[CONFIG_KIND_PATH] = "Begins with `/`; compared byte by byte with the path as the client sent it.",
};

static void values(struct roff *r)
{
	roff_section(r, "VALUES");
	for (size_t i = 0; i < ARRAY_LEN(written); i++)
		if (written[i]) {
			roff_literal_tag(r, config_kind_text((enum config_kind)i));
			roff_text(r, written[i]);
		}
	roff_paragraph(r);
	roff_text(r, "A size, duration, rate or bit rate without a unit is an error, also when it is 0. They may have "
		     "decimals "
		     "(`1.5s`) and one space before the unit.");
}

/* "size, 256B to 64KiB, default 64KiB" */
static void key_kind(const struct config_key *key, char *text, size_t size)
{
	char range[CONFIG_RANGE_MAX];
	size_t len = (size_t)snprintf(text, size, "%s", config_kind_text(key->kind));

	for (const char *const *c = key->choices; c && *c; c++)
		len += (size_t)snprintf(text + len, size - len, "%s`%s`", c == key->choices ? ": " : ", ", *c);
	if (*config_key_range(key, range))
		len += (size_t)snprintf(text + len, size - len, ", %s", range);
	if (key->preset)
		len += (size_t)snprintf(text + len, size - len, "; default `%s`", key->preset);
	snprintf(text + len, size - len, "%s.", key->mandatory ? "; must be given" : "");
}

static void key_entry(void *ctx, const char *path, const struct config_key *key)
{
	struct roff *r = ctx;
	char kind[512], help[512];

	key_kind(key, kind, sizeof(kind));
	snprintf(help, sizeof(help), "%s.", key->help);
	roff_literal_tag(r, path);
	roff_text(r, help);
	roff_break(r);
	roff_text(r, kind);
}

static void quirks(struct roff *r)
{
	static const struct {
		const char *id, *text;
	} list[] = {
#define X(id, text) { #id, text },
		QUIRKS(X)
#undef X
	};

	roff_section(r, "QUIRKS");
	roff_text(r, "What the published code does differently; each can be brought back.");
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		roff_literal_tag(r, list[i].id);
		roff_text(r, list[i].text);
	}
}

void manual_config(FILE *out)
{
	struct roff roff = { .out = out }, *r = &roff;

	roff_begin(r, &(struct roff_title){ "miresga.yaml", "5", "configuration of miresga" });
	roff_section(r, "DESCRIPTION");
	roff_text(r, "A configuration is one YAML file; commands of `miresga`(1) take it with `-f`. "
		     "`miresga check -f FILE` reports everything that is wrong with it, each error with its place. "
		     "The smallest one there is:");
	roff_example(r, "vip: 10.0.1.10:80\n"
			"backends:\n"
			"  - {name: web1, address: 198.18.0.1:80}\n"
			"  - {name: web2, address: 198.18.0.2:80}\n"
			"pools:\n"
			"  - {name: web, backends: [web1, web2]}\n"
			"rules:\n"
			"  - {pool: web}\n");
	values(r);
	roff_section(r, "KEYS");
	roff_text(r, "A dot leads into a mapping; `[]` stands for each element of a list. Names are case-sensitive. "
		     "Where there is no default, an absent key means what its text says.");
	config_keys_walk(key_entry, r);
	quirks(r);
	roff_see_also(r, "miresga(1), miresga-script(5)");
}
