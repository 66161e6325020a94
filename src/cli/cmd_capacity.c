/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_capacity.c: `miresga capacity`: how many connections the Offloaded Connection Table holds,
 * from the switch's SRAM geometry, step by step; what another geometry would hold; and Table 1 of
 * the paper. The arithmetic itself is capacity_compute() (switch/capacity.c). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "miresga/config_keys.h"
#include "miresga/nearest.h"
#include "miresga/switch.h"
#include "miresga/text.h"

struct capacity_options {
	const char *config_file;
	struct option_list what_if;
	bool table1;
};

static const struct cli_option options[] = {
	CLI_OPTION_CONFIG(struct capacity_options),
	{ .name = "what-if",
	  .kind = OPTION_LIST,
	  .at = offsetof(struct capacity_options, what_if),
	  .argument = "KEY=VALUE",
	  .help = "change one key of the geometry; again for more" },
	{ .name = "table1",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct capacity_options, table1),
	  .help = "Table 1 of the paper, computed and printed" },
};

/* The keys of the geometry, from the configuration's own tables. */
static const struct config_section *geometry_section(void)
{
	const struct config_key *sw = config_key_find(&config_root, "switch");

	return config_key_find(sw->section, "table")->section;
}

/* Table 1 (§6.4): the paper's geometry, each of its three techniques left out once. */
static const struct {
	const char *text;
	bool compression, arrangement, agent;
	const char *paper;
} table1[] = {
	{ "all three techniques (a+b+c)", true, true, true, "1.43M" },
	{ "without table arrangement (a+c)", true, false, true, "1.02M" },
	{ "without the back-end agent (a+b)", true, true, false, "0.86M" },
	{ "without entry compression (b+c)", false, true, true, "0.16M" },
};

static struct config_geometry table1_geometry(size_t row)
{
	return (struct config_geometry){
		.stages = 7,
		.blocks = 80,
		.word_blocks = 2,
		.ghost_bits = 10,
		.version_bits = 4,
		.entry_compression = table1[row].compression,
		.backend_agent = table1[row].agent,
		.table_arrangement = table1[row].arrangement,
	};
}

/* Reads the value of one key; false if it does not fit. */
static bool set_key(struct config_geometry *g, const struct config_key *key, const char *text)
{
	char *field = (char *)g + key->offset;
	uint64_t value;
	int yes;

	if (key->kind != CONFIG_KIND_BOOLEAN) {
		if (!cli_number(text, key->min, key->max, &value))
			return false;
		*(uint8_t *)(void *)field = (uint8_t)value;
		return true;
	}
	yes = cli_choice("false|true", text);
	if (yes >= 0)
		*(bool *)(void *)field = yes;
	return yes >= 0;
}

static int unknown_key(const struct cli *cli, const char *word)
{
	const struct config_section *section = geometry_section();
	struct nearest near;

	nearest_init(&near, word);
	for (unsigned i = 0; i < section->key_count; i++)
		nearest_offer(&near, section->keys[i].name);
	if (near.best)
		return cli_usage_error(cli, "--what-if: unknown key '%s'; did you mean '%s'?", word, near.best);
	return cli_usage_error(cli, "--what-if: unknown key '%s'; 'miresga capacity --help' lists the keys", word);
}

static int apply_what_if(const struct cli *cli, struct config_geometry *g, const char *item)
{
	size_t len = strcspn(item, "=");
	const struct config_key *key;
	char word[64], range[CONFIG_RANGE_MAX];

	snprintf(word, sizeof(word), "%.*s", (int)MIN(len, sizeof(word)), item);
	key = config_key_find(geometry_section(), word);
	if (!key)
		return unknown_key(cli, word);
	if (item[len] == '=' && set_key(g, key, item + len + 1))
		return EXIT_SUCCESS;
	if (key->kind == CONFIG_KIND_BOOLEAN)
		return cli_usage_error(cli, "--what-if: '%s': %s is true or false", item, word);
	return cli_usage_error(cli, "--what-if: '%s': %s is a number, %s", item, word, config_key_range(key, range));
}

struct step {
	const char *name;
	uint64_t value;
	const char *remark;
};

/* The way from the geometry to the number of connections. */
#define STEPS 7
#define STEP_REMARK_MAX 128
struct steps {
	struct step row[STEPS];
	char entry[STEP_REMARK_MAX], cost[STEP_REMARK_MAX];
};

static void steps_fill(struct steps *s, const struct config_geometry *g, const struct capacity *c)
{
	const struct step rows[STEPS] = {
		{ "stages", c->stages_used,
		  g->table_arrangement ? "the small tables share them" : "two more are lost to the small tables" },
		{ "blocks", c->blocks_total, "of 1,024 x 128 bits, in all stages" },
		{ "word_bits", c->word_bits, "of a match word: blocks side by side" },
		{ "entry_bits", c->entry_bits, s->entry },
		{ "entries_per_word", c->entries_per_word, "" },
		{ "connections_per_row", (uint64_t)c->blocks_total * c->cost_connections / c->cost_words, s->cost },
		{ "connections", c->connections, "1,024 rows" },
	};

	if (g->entry_compression)
		snprintf(s->entry, sizeof(s->entry), "key 48 - ghost %u + version %u + D index 8 + instruction 1%s",
			 g->ghost_bits, g->version_bits, g->backend_agent ? "" : " + delta 32");
	else
		snprintf(s->entry, sizeof(s->entry),
			 "key 96 - ghost %u + version %u + instruction 1; one entry per direction", g->ghost_bits,
			 g->version_bits);
	if (c->cost_words == 1)
		snprintf(s->cost, sizeof(s->cost), "%u in every block", c->cost_connections);
	else
		snprintf(s->cost, sizeof(s->cost), "%u in every %u blocks", c->cost_connections, c->cost_words);
	memcpy(s->row, rows, sizeof(rows));
}

static json_t *capacity_json(const struct config_geometry *g, const struct capacity *c)
{
	const struct config_section *section = geometry_section();
	json_t *document = json_object(), *geometry = json_object(), *result = json_object();
	struct steps s;

	steps_fill(&s, g, c);
	for (unsigned i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];
		uint8_t value = *((const uint8_t *)g + key->offset);

		json_object_set_new(geometry, key->name,
				    key->kind == CONFIG_KIND_BOOLEAN ? json_boolean(value) : json_integer(value));
	}
	for (size_t i = 0; i < STEPS; i++)
		json_object_set_new(result, s.row[i].name, json_integer((json_int_t)s.row[i].value));
	json_object_set_new(document, "geometry", geometry);
	json_object_set_new(document, "capacity", result);
	return document;
}

static void print_steps(const struct config_geometry *g, const struct capacity *c)
{
	char count[TEXT_NUMBER_MAX];
	struct steps s;

	steps_fill(&s, g, c);
	for (size_t i = 0; i < STEPS; i++)
		printf("  %-20s %10s%s%s\n", s.row[i].name, text_count(s.row[i].value, count),
		       s.row[i].remark[0] ? "   " : "", s.row[i].remark);
}

static void print_table1(void)
{
	char count[TEXT_NUMBER_MAX];

	printf("\nTable 1 of the paper (7 stages of 80 blocks)  computed    paper\n");
	for (size_t i = 0; i < ARRAY_LEN(table1); i++) {
		struct config_geometry g = table1_geometry(i);
		struct capacity c = { .connections = 0 };

		capacity_compute(&g, &c);
		printf("  %-42s %9s %8s\n", table1[i].text, text_count(c.connections, count), table1[i].paper);
	}
}

static json_t *table1_json(void)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < ARRAY_LEN(table1); i++) {
		struct config_geometry g = table1_geometry(i);
		struct capacity c = { .connections = 0 };

		capacity_compute(&g, &c);
		json_array_append_new(rows, json_pack("{s:s, s:I, s:s}", "variant", table1[i].text, "connections",
						      (json_int_t)c.connections, "paper", table1[i].paper));
	}
	return rows;
}

/* One geometry, computed; the configured one and the one of --what-if. */
struct answer {
	const char *title, *key;
	struct config_geometry geometry;
	struct capacity capacity;
};

static void print_json(const struct answer *answers, size_t count, bool with_table1)
{
	json_t *document = json_pack("{s:s}", "schema", "miresga.capacity/1");

	for (size_t i = 0; i < count; i++)
		json_object_set_new(document, answers[i].key,
				    capacity_json(&answers[i].geometry, &answers[i].capacity));
	if (with_table1)
		json_object_set_new(document, "table1", table1_json());
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(document);
}

static void print_text(const struct cli *cli, const struct answer *answers, size_t count, bool with_table1)
{
	char text[TEXT_NUMBER_MAX];

	for (size_t i = 0; i < count; i++) {
		if (cli->globals.quiet) {
			printf("%s\n", text_count(answers[i].capacity.connections, text));
			continue;
		}
		printf("%s%s\n", i ? "\n" : "", answers[i].title);
		print_steps(&answers[i].geometry, &answers[i].capacity);
	}
	if (with_table1)
		print_table1();
}

/* Fills answers[0], and answers[1] if there is a --what-if. Returns the exit code. */
static int compute(const struct cli *cli, const struct capacity_options *o, struct answer answers[2], size_t *count)
{
	struct config *config = NULL;
	int rc = cli_load_config(cli, o->config_file, &config);

	if (rc != EXIT_SUCCESS)
		return rc;
	answers[0] = (struct answer){ .title = "Offloaded Connection Table, as configured",
				      .key = "configured",
				      .geometry = config->sw.geometry };
	answers[1] = (struct answer){ .title = "Offloaded Connection Table, what if",
				      .key = "what_if",
				      .geometry = config->sw.geometry };
	free(config);
	*count = o->what_if.count > 0 ? 2 : 1;
	for (unsigned i = 0; i < o->what_if.count && rc == EXIT_SUCCESS; i++)
		rc = apply_what_if(cli, &answers[1].geometry, o->what_if.items[i]);
	for (size_t i = 0; i < *count && rc == EXIT_SUCCESS; i++) {
		if (capacity_compute(&answers[i].geometry, &answers[i].capacity))
			rc = cli_failure(cli, "%s: not one entry fits into the geometry",
					 i ? "--what-if" : o->config_file);
	}
	return rc;
}

static int run(const struct cli *cli, const void *opaque)
{
	const struct capacity_options *o = opaque;
	bool with_table1 = o->table1 || cli->globals.verbose;
	struct answer answers[2];
	size_t count = 0;
	int rc;

	if (cli->operand_count > 0)
		return cli_usage_error(cli, "unexpected operand '%s'", cli->operands[0]);
	/* Table 1 alone needs no configuration. */
	if (o->config_file || o->what_if.count > 0 || !o->table1) {
		rc = compute(cli, o, answers, &count);
		if (rc != EXIT_SUCCESS)
			return rc;
	}
	if (cli->globals.json)
		print_json(answers, count, with_table1);
	else
		print_text(cli, answers, count, with_table1);
	return EXIT_SUCCESS;
}

const struct command cli_capacity = {
	.name = "capacity",
	.summary = "how many connections the switch's table holds",
	.usage = "-f FILE [--what-if KEY=VALUE]... | --table1",
	.about = "Computes the size of the Offloaded Connection Table from the SRAM geometry in a\n"
		 "configuration, step by step. Keys for --what-if: stages, blocks, word_blocks,\n"
		 "ghost_bits, version_bits, entry_compression, backend_agent, table_arrangement.",
	.examples = "miresga capacity -f configs/paper.yaml\n"
		    "miresga capacity -f configs/paper.yaml --what-if stages=10 --what-if ghost_bits=8",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct capacity_options),
	.run = run,
};
