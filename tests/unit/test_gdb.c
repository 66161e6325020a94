/* SPDX-License-Identifier: BSD-2-Clause */
/* test_gdb.c: the gdb helper (src/gdb/) over a real replay: gdb runs a script of commands, and what each
 * printed is held against a row. The walk-through of docs/debugging.md is such a script itself: what
 * the page shows is what comes out, line by line.
 *
 * Everything is done with the program as it was built, and once more with build/debug's if that is
 * not older. Where there is no gdb that can run a program, the tests print why they are skipped. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miresga/base.h"
#include "miresga/drop.h"

Suite *gdb_suite(void);

#define OUTPUT_MAX (1 << 20)
#define COMMANDS_MAX 128
#define PATH_MAX_HERE 512
#define PAGE "docs/debugging.md"
#define INDENT "    "
#define PROMPT INDENT "(gdb) "
#define TRACES "build/traces"
#define PLAY "mi run -f configs/paper.yaml " TRACES "/"

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

/* What a shell command prints, as a string. */
static char *output_of(const char *command)
{
	char *text = calloc(1, OUTPUT_MAX);
	FILE *f = popen(command, "r");

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_lt(fread(text, 1, OUTPUT_MAX - 1, f), OUTPUT_MAX - 1);
	pclose(f);
	return text;
}

/* True, and a line that says why, if there is no gdb 13 with Python that may trace a process. */
static bool no_gdb(void)
{
	char *text = output_of("gdb -batch -nx -ex 'python print(\"version\", gdb.VERSION)' -ex run /bin/true "
			       "</dev/null 2>&1");
	const char *version = strstr(text, "version ");
	bool usable = version && atoi(version + strlen("version ")) >= 13 && strstr(text, "exited normally");

	if (!usable)
		printf("skipped: no gdb 13 or later that has Python and may run a program\n");
	free(text);
	return !usable;
}

/* The programs to test: 0 the one that was built, 1 the unoptimised one. NULL: not there, or out of date. */
static const char *program(int which, char path[PATH_MAX_HERE])
{
	const char *built = setting("MIRESGA_BINARY", "build/miresga");
	struct stat main_file, debug_file;

	if (which == 0)
		return built;
	snprintf(path, PATH_MAX_HERE, "%.*sdebug/miresga", (int)(strrchr(built, '/') + 1 - built), built);
	if (stat(built, &main_file) == 0 && stat(path, &debug_file) == 0 && debug_file.st_mtime >= main_file.st_mtime)
		return path;
	printf("skipped: %s is not there, or older than %s\n", path, built);
	return NULL;
}

/* Puts `text` with every `from` replaced into `to_file`. */
static void put_replaced(FILE *to_file, const char *text, const char *from, const char *to)
{
	for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from))
		fprintf(to_file, "%.*s%s", (int)(at - text), text, to);
	fputs(text, to_file);
}

/* What gdb needs to hear first, and a function that runs a command and survives its error. */
static const char preamble[] = "set pagination off\n"
			       "set confirm off\n"
			       "set width 0\n"
			       "set debuginfod enabled off\n"
			       "source src/gdb/miresga.py\n"
			       "python\n"
			       "def say(number, line):\n"
			       "    gdb.write('@@@ %d\\n' % number)\n"
			       "    try:\n"
			       "        gdb.execute(line)\n"
			       "    except gdb.error as problem:\n"
			       "        gdb.write('%s\\n' % problem)\n";

/* One run of gdb. outputs[i] is what command i printed; free(outputs[0]). */
struct session {
	size_t count;
	const char *commands[COMMANDS_MAX];
	char *outputs[COMMANDS_MAX + 1];
	char *all;
};

static void write_script(const struct session *s, const char *path)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(preamble, f);
	for (size_t i = 0; i < s->count; i++) {
		fprintf(f, "say(%zu, r'''", i);
		put_replaced(f, s->commands[i], TRACES, setting("MIRESGA_TRACES", TRACES));
		fprintf(f, "''')\n");
	}
	fprintf(f, "say(%zu, 'echo')\nend\n", s->count);
	fclose(f);
}

static void session_run(struct session *s, const char *binary)
{
	char path[] = "/tmp/miresga-gdb-XXXXXX", command[2 * PATH_MAX_HERE], mark[32];
	int fd = mkstemp(path);
	char *at;

	ck_assert_int_ge(fd, 0);
	close(fd);
	write_script(s, path);
	snprintf(command, sizeof(command), "ASAN_OPTIONS=detect_leaks=0 gdb -batch -nx -x %s %s </dev/null 2>&1", path,
		 binary);
	at = s->all = output_of(command);
	for (size_t i = 0; i <= s->count; i++) {
		snprintf(mark, sizeof(mark), "@@@ %zu\n", i);
		at = strstr(at, mark);
		ck_assert_msg(at != NULL, "gdb ended before command %zu; it said:\n%s", i, s->all);
		*at = '\0';
		s->outputs[i] = at += strlen(mark);
	}
	unlink(path);
}

/* --- the walk-through ---------------------------------------------------------------------------- */

static char *read_page(void)
{
	char *text = output_of("cat " PAGE);

	ck_assert_msg(text[0] != '\0', PAGE " is missing");
	return text;
}

/* The line at `at` without its end, which becomes '\0'; *next is the line after it. */
static char *line_cut(char *at, char **next)
{
	char *end = strchr(at, '\n');

	*next = end ? end + 1 : at + strlen(at);
	if (end)
		*end = '\0';
	return at;
}

struct step {
	char *command;
	char *expected[64];
	size_t count;
};

/* The prompts of the page with the indented lines that follow each. */
static size_t read_steps(char *page, struct step steps[COMMANDS_MAX])
{
	size_t count = 0;
	bool inside = false;

	for (char *at = page, *next; *at; at = next) {
		char *line = line_cut(at, &next);

		if (strncmp(line, PROMPT, strlen(PROMPT)) == 0) {
			ck_assert_uint_lt(count, COMMANDS_MAX);
			steps[count++] = (struct step){ .command = line + strlen(PROMPT) };
			inside = true;
		} else if (inside && strncmp(line, INDENT, strlen(INDENT)) == 0) {
			struct step *s = &steps[count - 1];

			ck_assert_uint_lt(s->count, ARRAY_LEN(s->expected));
			s->expected[s->count++] = line + strlen(INDENT);
		} else {
			inside = false;
		}
	}
	return count;
}

/* Every expected line, in order and with nothing between them but what "..." stands for. */
static void compare_step(const struct step *s, const char *output)
{
	char *copy = strdup(output), *at = copy, *next;
	bool gap = false;

	ck_assert_ptr_nonnull(copy);
	for (size_t i = 0; i < s->count; i++) {
		const char *line = "";
		bool found = false;

		if (strcmp(s->expected[i], "...") == 0) {
			gap = true;
			continue;
		}
		while (*at && !found && (gap || line[0] == '\0')) {
			line = line_cut(at, &next);
			at = next;
			found = strcmp(line, s->expected[i]) == 0;
		}
		ck_assert_msg(found, PAGE ": '%s' should print\n%s\nbut printed\n%s", s->command, s->expected[i],
			      output);
		gap = false;
	}
	ck_assert_msg(gap || !*at, PAGE ": '%s' prints more than the page shows:\n%s", s->command, output);
	free(copy);
}

START_TEST(the_walk_through_is_true)
{
	struct step *steps;
	struct session session = { 0 };
	char path[PATH_MAX_HERE], *page;
	const char *binary;

	if (no_gdb() || !(binary = program(_i, path)))
		return;
	steps = calloc(COMMANDS_MAX, sizeof(*steps));
	ck_assert_ptr_nonnull(steps);
	page = read_page();
	session.count = read_steps(page, steps);
	ck_assert_uint_gt(session.count, 20);
	for (size_t i = 0; i < session.count; i++)
		session.commands[i] = steps[i].command;
	session_run(&session, binary);
	for (size_t i = 0; i < session.count; i++)
		compare_step(&steps[i], session.outputs[i]);
	free(session.all);
	free(page);
	free(steps);
}
END_TEST

/* --- every command ------------------------------------------------------------------------------- */

struct row {
	const char *command;
	const char *has[5]; /* texts in its output; NULL: no more */
};

static const struct row every_command[] = {
	{ "mi packet", { "the program is not running" } },
	{ "mi table vip", { "the program is not running" } },
	{ "mi stages", { "packet_steering   stage_packet_steering_run" } },
	{ "mi", { "mi break -- Stop somewhere" } },
	{ "mi nxet", { "there is no `mi nxet`: did you mean 'next'?" } },
	{ "mi run", { "what to play is missing: mi run -f CONFIG TRACE" } },
	{ "mi table steeringg", { "did you mean 'steering'?" } },
	{ "mi break packet 0", { "frames count from 1" } },
	{ "mi break", { "nothing to stop at" } },
	{ "mi break bad_cooki", { "did you mean 'bad_cookie'?" } },
	{ "mi break quirk Z1", { "no quirk 'Z1'; there are P2 P3" } },
	{ "mi break flow 1.2.3.4", { "'1.2.3.4' is not IP:PORT" } },
	{ "mi break flow", { "mi break flow IP:PORT, or mi break packet N" } },
	{ "mi break packet 1", { "break 1: packet 1" } },
	{ PLAY "demo.pcap", { "+0.000000 s  parse  [break 1]\n  frame 1  ", " > 10.77.1.10:80  SYN  seq " } },
	{ "mi break", { "1  packet 1  stopped 1 times" } },
	{ "mi stages", { "=> parse", "ingress: headers into the PHV", "world_push" } },
	{ "mi time", { "+0.000000 s since the first packet", "control plane            nothing waits" } },
	{ "mi ring", { "clients -> switch ", "0 of 4096", "being handled: 1; packets in use: 1" } },
	{ "mi next", { "+0.000000 s  arp\n", "phv.tcp_flags no flags -> SYN\n", "phv.l4_at 0 -> 34" } },
	{ "mi packet", { "\n  tcp ", " check 0x", "(right)", "changed since parse", "\n  0000  " } },
	{ "mi packet", { "frame 1, ", "at arp\n", "PHV and verdict\n", "direction NONE", "steering -" } },
	{ "mi break key_extraction", { "break 2" } },
	{ "mi continue", { "key_extraction  [break 2]" } },
	{ "mi why", { "clients: sent  10.", "switch: parse: TCP, SYN, 0 bytes" } },
	{ "mi flow", { "no front-end has a flow for it", "none was recorded" } },
	{ "mi flow 1.2.3", { "'1.2.3' is not IP:PORT" } },
	{ "mi table vip", { "10.77.1.10:80  the service" } },
	{ "mi table dip",
	  { "I   198.18.0.1:80 on port 257 (agent of server-a) -> D index 0", "II  D index 1 -> 198.18" } },
	{ "mi table dip server-b", { "D index 1 -> 198.18.0.2:80 (server-b)" } },
	{ "mi table offload", { "the table is empty" } },
	{ "mi table steering vip_fragment", { "TO_VIP FRAGMENT", "DROP fragment  hits 0" } },
	{ "mi table steering nobody", { "nothing in the table matches 'nobody'" } },
	{ "mi table fib", { "mi table vip|dip|offload|steering [MATCH]" } },
	{ "print $packet->phv.dst", { " = 10.77.1.10:80" } },
	{ "print $world->sw->tables.vip", { " = 10.77.1.10:80" } },
	{ "print fsm_table[1][6]", { " = CONNECT -> BACKEND_SYN" } },
	{ "print fsm_table[1][1]", { " = ILLEGAL" } },
	{ "print fsm_table[1][2]", { " = NOTHING (stay)" } },
	{ "print (be32)0x0100000a", { " = 10.0.0.1 (167772161)" } },
	{ "print (seq_u32)7", { " = 7" } },
	{ "mi delete 77", { "there is no break 77" } },
	{ "mi delete", { NULL } },
	{ "mi break SPLICE", { "break 3" } },
	{ "mi continue", { "FSM action  SPLICE  [break 3]" } },
	{ "mi flow", { "COMPLETE", "client's space: ISN ", "Δ = ", "c_ack L+1 = S+1", "BACKEND_SYN: CONNECT (rule " } },
	{ "mi why", { "numbers shifted by Δ = ", "row out_syn: TO_FRONTEND", "FSM: BACKEND_SYN --BACKEND_SYNACK" } },
	{ "print *$flow", { "c_una = ", " (+1), c_limit", "client = 10.77.2.", "state = COMPLETE" } },
	{ "mi flow all", { " flows: ", "COMPLETE 1" } },
	{ "mi delete", { NULL } },
	{ "mi break LINGER", { "break 4" } },
	{ "mi continue", { "--> LINGER: END  [break 4]", "ACK" } },
	{ "mi next", { "parse\n", "  nothing changed" } },
	{ "mi delete", { NULL } },
	{ "mi break out", { "break 5" } },
	{ "continue", { "to server server-", "[break 5]" } },
	{ "mi why", { "numbers shifted by Δ" } },
	{ "mi delete", { NULL } },
	{ "break stage_forwarding_run", { "Breakpoint" } },
	{ "continue", { "stage_forwarding_run" } },
	{ "mi packet", { "at stage_forwarding_run", "PHV and verdict" } },
	{ "delete", { NULL } },
	{ "mi record off", { "history is not kept" } },
	{ "mi next", { "header_rewrite" } },
	{ "mi record on", { "history is kept" } },
	{ "source src/gdb/miresga.py", { NULL } },
	{ "mi break", { "nothing to stop at" } },
};

/* What `mi break` can stop at beside stages; each run begins anew. */
static const struct row every_break[] = {
	{ "mi break offload", { "break 1" } },
	{ PLAY "demo.pcap", { "COMPLETE --OFFLOAD--> OFFLOADED: OFFLOAD" } },
	{ "mi table offload", { "the table is empty" } },
	{ "mi continue", { "control plane's reply  ADD OK" } },
	{ "mi table offload", { " -> D index 0 (server-a)  hit no  stage 0" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk F5", { "break 2" } },
	{ PLAY "demo.pcap --quirk=F5", { "FIN to RST", "FIN ACK" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk P3", { "break 3" } },
	{ PLAY "demo.pcap --as-published", { "header_rewrite", "SYN" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk F10", { "break 4" } },
	{ "mi continue", { "special SYN" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk A1", { "break 5" } },
	{ "mi continue", { "agent, from the wire", "RST" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk A3", { "break 6" } },
	{ PLAY "port_reuse.pcap --as-published", { "agent, from the wire", "SYN  seq" } },
	{ "mi flow", { "10.77.2.11:45001" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk", { "break 7" } },
	{ PLAY "demo.pcap --quirk=C3", { "control plane", "flow 10.77.2." } },
	{ "mi delete", { NULL } },
	{ "mi break agent_map_full", { "break 8" } },
	{ "mi run -f $C " TRACES "/demo.pcap", { "to switch", "RST ACK" } },
	{ "mi why", { "for this packet:", "agent map full: special SYN answered with RST" } },
	{ "mi delete", { NULL } },
	{ "mi break flow_table_full", { "break 9" } },
	{ "mi run", { "drop  flow_table_full  [break 9]" } },
	{ "mi why", { "  dropped: flow_table_full" } },
	{ "backtrace 2", { "packet_drop", "flow_open" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk A7", { "break 10" } },
	{ PLAY "loss.pcap --quirk=A7", { "agent, from the wire" } },
	{ "mi packet", { "sack " } },
	{ "mi delete", { NULL } },
	{ "mi break arp", { "break 11" } },
	{ PLAY "demo.pcap", { "arp  [break 11]" } },
	{ "mi delete", { NULL } },
	{ "mi break ring_full", { "break 12" } },
	{ "set variable $world->links[1].ring.head = -4097", { NULL } },
	{ "mi continue", { "drop  ring_full  [break 12]" } },
	{ "mi why", { "  dropped: ring_full" } },
	{ "mi break frontend", { "break 13" } },
	{ "mi run", { "front-end  [break 13]" } },
	{ "mi delete", { NULL } },
	{ "mi break no_packet", { "break 14" } },
	{ "set variable $world->pool->classes[0].unused = 0", { NULL } },
	{ "set variable $world->pool->classes[1].unused = 0", { NULL } },
	{ "mi continue", { "packet pool  [break 14]" } },
	{ "mi delete", { NULL } },
	{ "mi break IDLE", { "break 15" } },
	{ PLAY "keepalive.pcap", { "LINGER --IDLE--> NONE: END  [break 15]\n  flow 10." } },
	{ "mi packet", { "this stop is about no packet" } },
	{ "mi flow", { "LINGER", "timers: idle (linger) in " } },
	{ "mi next", { "FSM  LINGER --IDLE--> NONE" } },
	{ "mi delete", { NULL } },
	{ "mi break quirk F8", { "break 16" } },
	{ "mi run script tests/scenarios/quirk_f8_with.pkt", { "drop  quirk  [break 16]" } },
	{ "mi delete", { NULL } },
	{ "mi break packet 5", { "break 17" } },
	{ PLAY "slow_head.pcap", { "agent, from the server  [break 17]" } },
	{ "mi ring",
	  { "     8.  frame 2 ", " 7 of 4096\n     1.  frame 7 ", "     7.  frame 19 ",
	    "handled in this order: server server-a -> agent of server-a (7), then agent of server-a -> switch "
	    "(1)\n" } },
	{ "mi delete", { NULL } },
	{ "mi break bad_flags", { "break 18" } },
	{ "mi run script tests/scenarios/steering_bad_syn_fin.pkt", { "drop  bad_flags  [break 18]" } },
	{ "mi why", { "packet_steering: row bad_syn_fin: DROP (bad_flags)\n  +0.000000  dropped: bad_flags" } },
};

static const struct {
	const struct row *rows;
	size_t count;
} tables[] = { { every_command, ARRAY_LEN(every_command) }, { every_break, ARRAY_LEN(every_break) } };

/* paper.yaml with one pair per agent and six flows per front-end. */
static void write_small_config(const char *path)
{
	char *text = output_of("sed '/^agent:/,$d' configs/paper.yaml");
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "%sagent: {entries: 1}\nfrontends: {flows: 6}\n", text);
	fclose(f);
	free(text);
}

/* The command with $C replaced; free() it. */
static char *with_config(const char *command, const char *config)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(f);
	put_replaced(f, command, "$C", config);
	fclose(f);
	return text;
}

START_TEST(every_command_prints)
{
	const struct row *rows = tables[_i / 2].rows;
	struct session session = { .count = tables[_i / 2].count };
	char path[PATH_MAX_HERE], config[] = "/tmp/miresga-gdb-config-XXXXXX";
	const char *binary;
	int fd;

	if (no_gdb() || !(binary = program(_i % 2, path)))
		return;
	fd = mkstemp(config);
	ck_assert_int_ge(fd, 0);
	close(fd);
	write_small_config(config);
	for (size_t i = 0; i < session.count; i++)
		session.commands[i] = with_config(rows[i].command, config);
	session_run(&session, binary);
	unlink(config);
	for (size_t i = 0; i < session.count; i++) {
		for (size_t j = 0; j < ARRAY_LEN(rows[i].has) && rows[i].has[j]; j++)
			ck_assert_msg(strstr(session.outputs[i], rows[i].has[j]) != NULL,
				      "command %zu, '%s', should print '%s' but printed\n%s", i, rows[i].command,
				      rows[i].has[j], session.outputs[i]);
		free((char *)session.commands[i]);
	}
	free(session.all);
}
END_TEST

/* --- the rest ------------------------------------------------------------------------------------ */

/* The helper takes a reason's key to be its name in lower case. */
START_TEST(drop_keys_are_their_names)
{
	static const char *const names[] = {
#define X(name, room, key, text) #name,
		DROP_REASONS(X)
#undef X
	};

	for (unsigned i = 0; i < DROP_COUNT; i++)
		ck_assert_int_eq(strcasecmp(names[i], drop_key((enum drop_reason)i)), 0);
}
END_TEST

/* As installed below a PREFIX: gdb finds the helper by itself. */
START_TEST(the_installed_helper_loads_itself)
{
	char dir[] = "/tmp/miresga-gdb-XXXXXX", command[4096], *text;

	if (no_gdb())
		return;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "set -e; d=%s; mkdir -p $d/bin $d/share/miresga $d/auto$d/bin; cp %s $d/bin/miresga;"
		 "cp -r src/gdb $d/share/miresga/gdb; cp src/gdb/miresga-gdb.py $d/auto$d/bin;"
		 "gdb -batch -nx -iex \"add-auto-load-safe-path $d\" -iex \"add-auto-load-scripts-directory $d/auto\" "
		 "-ex 'mi break OFFLOADED' $d/bin/miresga </dev/null 2>&1; rm -r $d",
		 dir, setting("MIRESGA_BINARY", "build/miresga"));
	text = output_of(command);
	ck_assert_msg(strstr(text, "break 1: OFFLOADED") != NULL, "%s", text);
	free(text);
}
END_TEST

Suite *gdb_suite(void)
{
	Suite *s = suite_create("gdb");
	TCase *tc = tcase_create("helper");

	tcase_add_loop_test(tc, the_walk_through_is_true, 0, 2);
	tcase_add_loop_test(tc, every_command_prints, 0, 2 * (int)ARRAY_LEN(tables));
	tcase_add_test(tc, drop_keys_are_their_names);
	tcase_add_test(tc, the_installed_helper_loads_itself);
	suite_add_tcase(s, tc);
	return s;
}
