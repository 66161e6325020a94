/* SPDX-License-Identifier: BSD-2-Clause */
/* tree.c: libyaml's events into a tree.
 *
 * Life-cycle: tree_read() builds, the loader looks, tree_free() frees; scalars keep the memory
 * that libyaml gave them. The builder is a loop over a stack of open collections.
 *
 * Invariants: at most TREE_NODES_MAX nodes, at most CONFIG_NESTING_MAX open collections, so a
 * hostile file costs bounded time and memory. After an error in the syntax the tree holds what
 * stood before it and is marked partial, so that one run reports those errors too.
 *
 * Refused: anchors and aliases (they can blow a small file up to any size, and a value that
 * stands elsewhere makes a poor error message), explicit tags, a second document, NUL
 * characters, values without quotes that run over several lines. */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
	struct tree *tree;
	struct problems *problems;
	yaml_parser_t parser;
	const char *data; /* what the parser reads, behind a byte order mark */
	size_t len;
	uint32_t open[CONFIG_NESTING_MAX]; /* collections, outermost first */
	unsigned depth;
	unsigned documents;
	bool done;
};

static unsigned mark_line(yaml_mark_t m)
{
	return (unsigned)m.line + 1;
}

static unsigned mark_column(yaml_mark_t m)
{
	return (unsigned)m.column + 1;
}

/* Ends the reading early. */
static void stop(struct builder *b)
{
	b->done = true;
	b->tree->partial = true;
}

static bool continues_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The byte that stands at a mark, or 0 at the end. */
static char byte_at(const struct builder *b, yaml_mark_t m)
{
	size_t at = 0, line = 0, column = 0;

	while (at < b->len && line < m.line) {
		if (b->data[at] == '\n')
			line++;
		at++;
	}
	while (at < b->len && b->data[at] != '\n' && column < m.column) {
		at++;
		if (at < b->len && !continues_character(b->data[at]))
			column++;
	}
	return at < b->len ? b->data[at] : '\0';
}

/* libyaml gives no mark for bytes that are no characters, only their offset. */
static void encoding_error(struct builder *b)
{
	size_t end = MIN(b->parser.problem_offset, b->len);
	unsigned line = 1, column = 1;
	char what[16] = "";

	for (size_t i = 0; i < end; i++) {
		if (b->data[i] == '\n') {
			line++;
			column = 1;
		} else if (!continues_character(b->data[i])) {
			column++;
		}
	}
	if (b->parser.problem_value >= 0)
		snprintf(what, sizeof(what), " (0x%02x)", (unsigned)b->parser.problem_value);
	problems_add(b->problems, line, column, "not UTF-8 text: %s%s", b->parser.problem, what);
}

/* The mistakes that YAML's own words explain badly. Returns what to say, or NULL. */
static const char *common_mistake(const struct builder *b)
{
	const yaml_parser_t *y = &b->parser;
	char c = byte_at(b, y->problem_mark);

	if (c == '\t')
		return "tab character: YAML indents with spaces only";
	if (y->context && strstr(y->context, "an alias"))
		return "a value that begins with * needs quotes, as \"*.example.org\"";
	if (c == '@' || c == '`' || c == '%')
		return "a value that begins with @, ` or % needs quotes";
	return NULL;
}

static void syntax_error(struct builder *b)
{
	const yaml_parser_t *y = &b->parser;
	unsigned line = mark_line(y->problem_mark), column = mark_column(y->problem_mark);
	const char *mistake = y->error == YAML_SCANNER_ERROR ? common_mistake(b) : NULL;

	stop(b);
	if (y->error == YAML_MEMORY_ERROR) {
		b->problems->out_of_memory = true;
	} else if (y->error == YAML_READER_ERROR) {
		encoding_error(b);
	} else if (mistake) {
		problems_add(b->problems, line, column, "%s", mistake);
	} else if (y->context && y->context_mark.line != y->problem_mark.line) {
		problems_add(b->problems, line, column, "YAML: %s %s that starts on line %u", y->problem, y->context,
			     mark_line(y->context_mark));
	} else if (y->context) {
		problems_add(b->problems, line, column, "YAML: %s %s", y->problem, y->context);
	} else {
		problems_add(b->problems, line, column, "YAML: %s", y->problem);
	}
}

/* A new node at the event's place, a child of the innermost open collection. Returns its index,
 * or 0 after having stopped the builder. */
static uint32_t append(struct builder *b, enum node_kind kind, const yaml_event_t *e)
{
	struct tree *t = b->tree;
	uint32_t index = t->count;

	if (index >= TREE_NODES_MAX) {
		problems_add(b->problems, mark_line(e->start_mark), mark_column(e->start_mark),
			     "more than %u values in one file", TREE_NODES_MAX - 1);
		stop(b);
		return 0;
	}
	if (index == t->capacity) {
		uint32_t capacity = t->capacity ? t->capacity * 2 : 256;
		struct node *nodes = realloc(t->nodes, capacity * sizeof(*nodes));

		if (!nodes) {
			b->problems->out_of_memory = true;
			stop(b);
			return 0;
		}
		t->nodes = nodes;
		t->capacity = capacity;
	}
	if (index == 0)
		index = 1; /* 0 means none */
	t->count = index + 1;
	t->nodes[index] = (struct node){ .kind = kind,
					 .line = mark_line(e->start_mark),
					 .column = mark_column(e->start_mark) };
	if (b->depth == 0) {
		t->root = index;
	} else {
		struct node *parent = &t->nodes[b->open[b->depth - 1]];

		if (parent->last)
			t->nodes[parent->last].next = index;
		else
			parent->first = index;
		parent->last = index;
	}
	return index;
}

static void refuse_decoration(struct builder *b, const yaml_event_t *e, const void *anchor, const void *tag)
{
	unsigned line = mark_line(e->start_mark), column = mark_column(e->start_mark);

	if (anchor)
		problems_add(b->problems, line, column, "anchors (&name) are not supported; write the value out");
	if (tag)
		problems_add(b->problems, line, column, "tags (!name) are not supported");
}

/* Why a scalar is none of a configuration's, or NULL. */
static const char *scalar_fault(const yaml_event_t *e)
{
	if (memchr(e->data.scalar.value, '\0', e->data.scalar.length))
		return "a NUL character in a string";
	/* YAML joins the lines. Here it means that the text's structure is not what it looks like. */
	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && e->start_mark.line != e->end_mark.line)
		return "a value without quotes goes on in the next line; is a bracket, a colon or a dash missing?";
	return NULL;
}

static void add_scalar(struct builder *b, yaml_event_t *e)
{
	const char *fault = scalar_fault(e);
	uint32_t index;

	refuse_decoration(b, e, e->data.scalar.anchor, e->data.scalar.tag);
	if (fault) {
		problems_add(b->problems, mark_line(e->start_mark), mark_column(e->start_mark), "%s", fault);
		append(b, NODE_BAD, e);
		return;
	}
	index = append(b, NODE_SCALAR, e);
	if (!index)
		return;
	b->tree->nodes[index].text = (char *)e->data.scalar.value;
	b->tree->nodes[index].len = e->data.scalar.length;
	b->tree->nodes[index].quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	e->data.scalar.value = NULL; /* ours now */
}

static void open_collection(struct builder *b, enum node_kind kind, const yaml_event_t *e)
{
	uint32_t index;

	if (b->depth == CONFIG_NESTING_MAX) {
		problems_add(b->problems, mark_line(e->start_mark), mark_column(e->start_mark),
			     "nested more than %d levels deep", CONFIG_NESTING_MAX);
		stop(b);
		return;
	}
	index = append(b, kind, e);
	if (index)
		b->open[b->depth++] = index;
}

static void start_document(struct builder *b, const yaml_event_t *e)
{
	if (++b->documents == 1)
		return;
	problems_add(b->problems, mark_line(e->start_mark), mark_column(e->start_mark),
		     "a second document; a configuration is one document");
	b->done = true;
}

static void take(struct builder *b, yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		start_document(b, e);
		break;
	case YAML_ALIAS_EVENT:
		problems_add(b->problems, mark_line(e->start_mark), mark_column(e->start_mark),
			     "aliases (*name) are not supported; write the value out (quoted, if it begins with *)");
		append(b, NODE_BAD, e);
		break;
	case YAML_SCALAR_EVENT:
		add_scalar(b, e);
		break;
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
		open_collection(b, NODE_LIST, e);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
		open_collection(b, NODE_MAPPING, e);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		break;
	case YAML_STREAM_END_EVENT:
		b->done = true;
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
}

void tree_read(struct tree *t, const void *data, size_t len, struct problems *p)
{
	struct builder b = { .tree = t, .problems = p, .data = data, .len = len };
	yaml_event_t event;

	*t = (struct tree){ 0 };
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		b.data += 3;
		b.len -= 3;
	}
	if (!yaml_parser_initialize(&b.parser)) {
		p->out_of_memory = true;
		return;
	}
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)b.data, b.len);
	/* Left to itself libyaml would also read UTF-16. */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	while (!b.done) {
		if (!yaml_parser_parse(&b.parser, &event)) {
			syntax_error(&b);
			break;
		}
		take(&b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&b.parser);
}

void tree_free(struct tree *t)
{
	for (uint32_t i = 1; i < t->count; i++)
		free(t->nodes[i].text);
	free(t->nodes);
	*t = (struct tree){ 0 };
}

const struct node *tree_find(const struct tree *t, const struct node *mapping, const char *key)
{
	const struct node *k, *v;

	if (!mapping || mapping->kind != NODE_MAPPING)
		return NULL;
	for (k = tree_first(t, mapping); k; k = tree_next(t, v)) {
		v = tree_next(t, k);
		if (!v)
			return NULL;
		if (k->kind == NODE_SCALAR && strcmp(k->text, key) == 0)
			return v;
	}
	return NULL;
}

const struct node *tree_path(const struct tree *t, const char *path)
{
	const struct node *n = tree_node(t, t->root);
	char word[CONFIG_NAME_MAX];

	while (n && *path) {
		size_t len = strcspn(path, ".");

		MUST(len < sizeof(word));
		memcpy(word, path, len);
		word[len] = '\0';
		n = tree_find(t, n, word);
		path += len + (path[len] == '.');
	}
	return n;
}
