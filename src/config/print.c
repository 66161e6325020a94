/* SPDX-License-Identifier: BSD-2-Clause */
/* print.c: a configuration as a file that loads to the same: for `check --print`, and for worlds
 * that `fuzz` has found.
 *
 * The tables of keys say what there is; sections are written as blocks, elements of lists in one
 * line each. Numbers are exact, in the largest unit that gives a whole number. What has no effect
 * beside the other keys is not written: it would be refused. */
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "load.h"
#include "value.h"

struct printer {
	FILE *out;
	const struct config *config;
	bool all;	 /* defaults too */
	unsigned indent; /* of a block; inside an element of a list it does not count */
};

static const void *field_of(const struct config_key *key, const void *base)
{
	return (const uint8_t *)base + key->offset;
}

/* True if the field is what it would be without the key. */
static bool is_default(const struct config_key *key, const void *base)
{
	uint8_t *section = calloc(1, key->offset + key->width);
	bool same = false;

	if (!section)
		return false; /* written then, which is never wrong */
	if (key->preset && value_is_plain(key->kind))
		value_store_preset(key, section);
	same = !memcmp(section + key->offset, field_of(key, base), key->width);
	free(section);
	return same;
}

static uint16_t count_of(const struct config_key *key, const void *base)
{
	uint16_t count;

	memcpy(&count, (const uint8_t *)base + key->count_offset, sizeof(count));
	return count;
}

/* Any text, as YAML takes it verbatim (YAML 1.1 §7.3.2). */
static void print_quoted(struct printer *p, const char *text)
{
	putc('\'', p->out);
	for (const char *s = text; *s; s++)
		fprintf(p->out, *s == '\'' ? "''" : "%c", *s);
	putc('\'', p->out);
}

static void print_hosts(struct printer *p, const struct config_key *key, const void *base)
{
	const char *host = field_of(key, base);

	for (unsigned i = 0; i < count_of(key, base); i++) {
		fputs(i ? ", " : "[", p->out);
		print_quoted(p, host + (size_t)i * key->width);
	}
	putc(']', p->out);
}

static void print_ports(struct printer *p, const struct config_key *key, const void *base)
{
	const uint16_t *ports = field_of(key, base);

	for (unsigned i = 0; i < count_of(key, base); i++)
		fprintf(p->out, "%s%u", i ? ", " : "[", ports[i]);
	putc(']', p->out);
}

static void print_members(struct printer *p, const struct config_key *key, const void *base)
{
	const uint8_t *members = field_of(key, base);

	for (unsigned i = 0; i < count_of(key, base); i++)
		fprintf(p->out, "%s%s", i ? ", " : "[", p->config->backends[members[i]].name);
	putc(']', p->out);
}

static void print_quirks(struct printer *p)
{
	const char *separator = "[";

	for (unsigned q = 0; q < QUIRK_COUNT; q++) {
		if (!config_has_quirk(p->config, q))
			continue;
		fprintf(p->out, "%s%s", separator, quirk_id(q));
		separator = ", ";
	}
	fputs(*separator == '[' ? "[]" : "]", p->out);
}

static void print_secret(struct printer *p, const uint8_t *bytes)
{
	for (unsigned i = 0; i < sizeof(struct siphash_key); i++)
		fprintf(p->out, "%02x", bytes[i]);
}

static void print_value(struct printer *p, const struct config_key *key, const void *base)
{
	const void *field = field_of(key, base);
	char text[VALUE_MESSAGE_MAX];

	switch (key->kind) {
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_PATH:
	case CONFIG_KIND_PATH_PREFIX:
	case CONFIG_KIND_FILE:
		print_quoted(p, field);
		break;
	case CONFIG_KIND_NAME:
		fputs(field, p->out);
		break;
	case CONFIG_KIND_HOSTS:
		print_hosts(p, key, base);
		break;
	case CONFIG_KIND_PORTS:
		print_ports(p, key, base);
		break;
	case CONFIG_KIND_ADDRESS:
		fputs(endpoint_format(*(const struct endpoint *)field, text), p->out);
		break;
	case CONFIG_KIND_POOL:
		fputs(p->config->pools[*(const uint8_t *)field].name, p->out);
		break;
	case CONFIG_KIND_MEMBERS:
		print_members(p, key, base);
		break;
	case CONFIG_KIND_QUIRKS:
		print_quirks(p);
		break;
	case CONFIG_KIND_SECRET:
		print_secret(p, field);
		break;
	default:
		value_print(key, base, text, sizeof(text));
		fputs(text, p->out);
	}
}

/* `path` and `path_prefix` of a rule share their field. */
static bool is_other_path(const struct config_section *section, const struct config_key *key, const void *base)
{
	const struct config_key *prefix = config_key_find(section, "path_prefix");

	return prefix && ((const struct config_rule *)base)->path_is_prefix != (key == prefix);
}

static bool is_absent(const struct printer *p, const struct config_section *section, const struct config_key *key,
		      const void *base)
{
	switch (key->kind) {
	case CONFIG_KIND_PATH:
	case CONFIG_KIND_PATH_PREFIX:
		return !*(const char *)field_of(key, base) || is_other_path(section, key, base);
	case CONFIG_KIND_SECRET:
		return !p->config->has_secret;
	case CONFIG_KIND_LIST:
	case CONFIG_KIND_HOSTS:
	case CONFIG_KIND_PORTS:
		return !count_of(key, base);
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_NAME:
	case CONFIG_KIND_FILE:
		return !*(const char *)field_of(key, base);
	default:
		return false;
	}
}

static bool is_key_written(const struct printer *p, const struct config_section *section, const struct config_key *key,
			   const void *base);

/* Whether any key of the section, or of those within, is written. */
static bool is_section_written(const struct printer *p, const struct config_section *section, const void *base)
{
	for (unsigned i = 0; i < section->key_count; i++)
		if (is_key_written(p, section, &section->keys[i], base))
			return true;
	return false;
}

static bool is_key_written(const struct printer *p, const struct config_section *section, const struct config_key *key,
			   const void *base)
{
	if (key->kind == CONFIG_KIND_SECTION)
		return is_section_written(p, key->section, field_of(key, base));
	if (is_absent(p, section, key, base) || config_key_unmet(key, base))
		return false;
	if (key->mandatory || key->kind == CONFIG_KIND_LIST || !is_default(key, base))
		return true;
	return p->all && key->preset;
}

static void print_elements(struct printer *p, const struct config_key *key, const void *base, bool inner);

/* {key: value, …}; as deep as the tables nest. */
static void print_element(struct printer *p, const struct config_section *section, const void *base)
{
	const char *separator = "{";

	for (unsigned i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];

		if (!is_key_written(p, section, key, base))
			continue;
		fprintf(p->out, "%s%s: ", separator, key->name);
		if (key->kind == CONFIG_KIND_SECTION)
			print_element(p, key->section, field_of(key, base));
		else if (key->kind == CONFIG_KIND_LIST)
			print_elements(p, key, base, true);
		else
			print_value(p, key, base);
		separator = ", ";
	}
	fputs(*separator == '{' ? "{}" : "}", p->out);
}

static void print_elements(struct printer *p, const struct config_key *key, const void *base, bool inner)
{
	const uint8_t *elements = field_of(key, base);

	for (unsigned i = 0; i < count_of(key, base); i++) {
		if (inner)
			fputs(i ? ", " : "[", p->out);
		else
			fprintf(p->out, "\n%*s- ", (int)p->indent + 2, "");
		print_element(p, key->section, elements + (size_t)i * key->width);
	}
	if (inner)
		putc(']', p->out);
}

/* As deep as the tables nest. */
static void print_section(struct printer *p, const struct config_section *section, const void *base)
{
	for (unsigned i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];

		if (!is_key_written(p, section, key, base))
			continue;
		fprintf(p->out, "%*s%s:", (int)p->indent, "", key->name);
		if (key->kind == CONFIG_KIND_SECTION) {
			putc('\n', p->out);
			p->indent += 2;
			print_section(p, key->section, field_of(key, base));
			p->indent -= 2;
			continue;
		}
		if (key->kind == CONFIG_KIND_LIST) {
			print_elements(p, key, base, false);
		} else {
			putc(' ', p->out);
			print_value(p, key, base);
		}
		putc('\n', p->out);
	}
}

int config_print(const struct config *c, bool all, FILE *out)
{
	struct printer p = { .out = out, .config = c, .all = all };

	print_section(&p, &config_root, c);
	return ferror(out) ? -1 : 0;
}
