/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli.c: the command line from outside: the built program with arguments, its exit code,
 * what it prints. A row is a call; patterns are those of fnmatch(3).
 *
 * MIRESGA_BINARY and MIRESGA_TRACES say where program and captures lie; the Makefile sets them. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miresga/base.h"

extern char **environ;

Suite *cli_suite(void);

#define OUTPUT_MAX (1 << 20)
#define ARGUMENTS_MAX 32

struct call {
	const char *arguments;	 /* separated by single blanks; $T stands for MIRESGA_TRACES */
	const char *file, *link; /* what $F and $L stand for */
	const char *stdout_path; /* NULL: captured */
	bool interrupt;		 /* send SIGINT, blocked until the program listens to it */
	int status;		 /* exit code, or 128 + signal */
	char *out, *err;	 /* free() both */
};

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

/* What a temporary file holds, as a string; closes it. */
static char *read_back(int fd)
{
	char *text = calloc(1, OUTPUT_MAX + 1);
	ssize_t n;

	ck_assert_ptr_nonnull(text);
	n = pread(fd, text, OUTPUT_MAX, 0);
	ck_assert_int_ge(n, 0);
	close(fd);
	return text;
}

static int temporary(void)
{
	FILE *f = tmpfile();
	int fd;

	ck_assert_ptr_nonnull(f);
	fd = dup(fileno(f));
	fclose(f);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* What stands for $T, $F or $L; NULL: nothing does. */
static const char *replacement(const struct call *c, char letter)
{
	switch (letter) {
	case 'T':
		return setting("MIRESGA_TRACES", "build/traces");
	case 'F':
		return c->file;
	case 'L':
		return c->link;
	default:
		return NULL;
	}
}

/* Replaces $T, $F and $L, and splits at blanks. `room` keeps the words. */
static void split(const struct call *c, char room[1024], char *argv[ARGUMENTS_MAX])
{
	size_t len = 0;
	unsigned n = 1;

	for (const char *a = c->arguments; *a != '\0'; a++) {
		const char *instead = a[0] == '$' ? replacement(c, a[1]) : NULL;

		if (instead) {
			len += (size_t)snprintf(room + len, 1024 - len, "%s", instead);
			a++;
		} else {
			room[len++] = *a;
		}
		ck_assert_uint_lt(len, 1000);
	}
	room[len] = '\0';
	for (char *save = NULL, *word = strtok_r(room, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		ck_assert_uint_lt(n, ARGUMENTS_MAX - 1);
		argv[n++] = word;
	}
	argv[n] = NULL;
}

static void run_program(struct call *c)
{
	char *argv[ARGUMENTS_MAX] = { (char *)(uintptr_t) "miresga" };
	int out = temporary(), err = temporary(), status;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	char room[1024];
	sigset_t blocked;
	pid_t pid;

	split(c, room, argv);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (c->stdout_path)
		posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, c->stdout_path, O_WRONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	sigemptyset(&blocked);
	if (c->interrupt)
		sigaddset(&blocked, SIGINT);
	posix_spawnattr_setsigmask(&attributes, &blocked);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	ck_assert_int_eq(
		posix_spawn(&pid, setting("MIRESGA_BINARY", "build/miresga"), &files, &attributes, argv, environ), 0);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (c->interrupt)
		kill(pid, SIGINT);
	while (waitpid(pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	c->out = read_back(out);
	c->err = read_back(err);
}

static void free_call(struct call *c)
{
	free(c->out);
	free(c->err);
}

struct row {
	const char *arguments;
	int status;
	const char *out, *err; /* patterns for the whole of it */
};

static const struct row rows[] = {
	/* the program itself */
	{ "--version", 0, "miresga [0-9]*\n", "" },
	{ "--help", 0, "Usage: miresga *Commands:*replay *check *capacity *--color=auto|always|never*", "" },
	{ "-h", 0, "Usage: miresga *", "" },
	{ "", 2, "", "miresga: no command given; 'miresga --help' *" },
	{ "repaly", 2, "", "miresga: unknown command 'repaly'; did you mean 'replay'[?]\n" },
	{ "quux", 2, "", "miresga: unknown command 'quux'; 'miresga --help' lists the commands\n" },
	{ "--jsn check", 2, "", "miresga: unknown option '--jsn'; did you mean '--json'[?]\n" },
	{ "-x check", 2, "", "miresga: unknown option '-x' before the command; 'miresga --help' lists those\n" },
	{ "-f configs/minimal.yaml check", 2, "", "miresga: unknown option '-f' before the command; *\n" },
	{ "explain -f configs/minimal.yaml $T/demo.pcap", 2, "",
	  "miresga: explain: one of --flow, --packet, --drops, --mismatch and --why-not-offloaded is needed\n" },
	{ "explain -f configs/minimal.yaml --drops --packet=1 $T/demo.pcap", 2, "",
	  "miresga: explain: only one of --flow, --packet, --drops, --mismatch and --why-not-offloaded is needed\n" },
	{ "explain -f configs/minimal.yaml --flow=10.0.0.1 $T/demo.pcap", 2, "",
	  "miresga: explain: --flow: '10.0.0.1' is not IP:PORT or IP:PORT-K, as in *\n" },
	{ "explain -f configs/minimal.yaml --mismatch -", 2, "",
	  "miresga: explain: --mismatch plays the trace twice: it cannot be standard input\n" },
	{ "explain -f configs/minimal.yaml --mode=session --packet=1 $T/demo.pcap", 2, "",
	  "miresga: explain: --packet: with --mode=session no frame *" },
	{ "explain -f configs/minimal.yaml --mode=session --flow=10.77.2.19:39614 $T/demo.pcap", 0,
	  "*  sent by the client: S 0 win *  sent by the server: S. 0 ack 1 win *", "" },
	{ "explain -f configs/minimal.yaml --packet=1", 2, "",
	  "miresga: explain: no TRACE given, as in\n*explain -f *" },
	{ "explain -f configs/minimal.yaml --packet=1000000 $T/demo.pcap", 1, "",
	  "miresga: explain: the trace has no frame 1000000 *; its last one is *\n" },
	{ "explain -f configs/minimal.yaml --flow=10.0.0.1:1 $T/demo.pcap", 1, "",
	  "miresga: explain: no connection 10.0.0.1:1 to 10.77.1.10:80 in the trace; *\n" },
	{ "explain -f configs/minimal.yaml --mismatch $T/demo.pcap", 0, "The oracle found fault with no flow.\n", "" },
	{ "-j explain -f configs/minimal.yaml --drops $T/demo.pcap", 0, "{\n*\"schema\": \"miresga.explain/1\"*}\n",
	  "" },
	{ "sim", 2, "", "miresga: sim: *-f *" },
	{ "sim -f configs/minimal.yaml", 1, "",
	  "miresga: sim: configs/minimal.yaml: no simulation.workloads: there is nobody who would ask for anything\n" },
	{ "sim -f configs/traffic1.yaml --duration=5", 2, "",
	  "miresga: sim: --duration: simulation.duration: missing unit *" },
	{ "sim -f configs/traffic1.yaml trace.pcap", 2, "", "miresga: sim: unexpected operand 'trace.pcap'\n" },
	{ "-q sim -f configs/traffic1.yaml --duration=5ms --seed=2", 0,
	  "No violation in * connections with * responses.\n", "" },
	{ "-j sim -f configs/traffic1.yaml --duration=5ms", 0,
	  "{\n*\"schema\": \"miresga.sim/1\"*\"packets_verified\": [1-9]*}\n", "" },
	{ "-q sim -f configs/traffic1.yaml --duration=5ms --quirk=A1", 1,
	  "FAILED: 1 violation in * connections; again: miresga sim -f configs/traffic1.yaml --seed=1 --duration=5ms "
	  "--quirk=A1\n",
	  "" },
	{ "-j sim -f configs/traffic1.yaml --duration=1ms --seed=18446744073709551615", 0,
	  "*\"seed\": 18446744073709551615,*", "" },
	/* fuzz */
	{ "-q fuzz --seeds 1..20 --quirk=F5 --quirk=P2", 1, "*: options: *--quirk=F5 --quirk=P2\n*: reset: *", "" },
	{ "-q fuzz --seeds 1..9 --as-published", 1, "seed *\n  rerun: miresga fuzz --seeds * --as-published\n*", "" },
	{ "fuzz --seeds 1 --quirk=F5 --quirk=F99", 2, "", "miresga: fuzz: --quirk: unknown quirk \"F99\"; *\n" },
	{ "-j fuzz --seeds 18446744073709551612..18446744073709551614 --as-published", 1,
	  "*\"first\": 18446744073709551612,*\"last\": 18446744073709551614*\"seed\": 184467440737095516*", "" },
	{ "check -x", 2, "", "miresga: check: unknown option '-x'; 'miresga check --help' lists the options\n" },
	{ "check --quux", 2, "",
	  "miresga: check: unknown option '--quux'; 'miresga check --help' lists the options\n" },
	{ "--color=maybe check", 2, "", "miresga: --color: 'maybe' is not one of auto|always|never\n" },
	{ "--json=yes check", 2, "", "miresga: option '--json' takes no value\n" },
	{ "--color", 2, "", "miresga: option '--color' needs a value: --color=auto|always|never\n" },
	/* check */
	{ "check --help", 0, "Usage: miresga check -f FILE *\n*Options:*--config=FILE*Global options:*Examples:*", "" },
	{ "--help check", 0, "Usage: miresga check *", "" },
	{ "check", 2, "", "miresga: check: no configuration given: -f FILE is missing, as in\n  miresga check -f *\n" },
	{ "check -f configs/minimal.yaml", 0, "Configuration file is valid\n", "" },
	{ "check -f configs/paper.yaml", 0, "Configuration file is valid\n", "" },
	{ "check -f configs/as-published.yaml", 0, "Configuration file is valid\n", "" },
	{ "check --config=configs/minimal.yaml", 0, "Configuration file is valid\n", "" },
	{ "check -fconfigs/minimal.yaml", 0, "Configuration file is valid\n", "" },
	{ "check -qf configs/minimal.yaml", 0, "", "" },
	{ "check configs/minimal.yaml", 2, "", "*'configs/minimal.yaml'; did you mean '-f configs/minimal.yaml'[?]\n" },
	{ "check -f", 2, "", "miresga: check: option '-f' needs a value: -f FILE\n" },
	{ "check -f configs/minimal.yaml -f configs/paper.yaml", 2, "",
	  "miresga: check: --config: given twice: 'configs/minimal.yaml' and 'configs/paper.yaml'\n" },
	{ "check --config=", 2, "", "miresga: check: --config: the value is empty\n" },
	{ "check -f tests/cli/no-such-file.yaml", 1, "", "tests/cli/no-such-file.yaml:* error: *\n" },
	{ "check -f tests/cli/broken.yaml", 1, "",
	  "tests/cli/broken.yaml:[0-9]*:[0-9]*: error: *\ntests/cli/broken.yaml:[0-9]*:[0-9]*: error: *\n" },
	{ "check -j -f configs/minimal.yaml", 0, "{*\"schema\": \"miresga.check/1\",*\"valid\": true,*}\n", "" },
	{ "-j check -f tests/cli/broken.yaml", 1, "{*\"valid\": false,*\"line\": [1-9]*\"column\": [1-9]*}\n", "" },
	/* capacity */
	{ "capacity --table1", 0, "*1,433,600 *1.43M\n*1,024,000 *1.02M\n*860,160 *0.86M\n*163,840 *0.16M\n", "" },
	{ "capacity -f configs/paper.yaml", 0, "*stages  *7 *\n  connections  *1,433,600 *", "" },
	{ "capacity -q -f configs/paper.yaml", 0, "1,433,600\n", "" },
	{ "capacity -qf configs/paper.yaml --what-if table_arrangement=false", 0, "1,433,600\n1,024,000\n", "" },
	{ "capacity -qf configs/paper.yaml --what-if backend_agent=false", 0, "1,433,600\n860,160\n", "" },
	{ "capacity -qf configs/paper.yaml --what-if stages=14 --what-if blocks=40", 0, "1,433,600\n1,433,600\n", "" },
	{ "capacity -f configs/paper.yaml --what-if stagse=3", 2, "",
	  "*unknown key 'stagse'; did you mean 'stages'[?]\n" },
	{ "capacity -f configs/paper.yaml --what-if stages=0", 2, "", "*'stages=0': stages is a number, *\n" },
	{ "capacity -qf configs/paper.yaml --what-if stages=07", 0, "1,433,600\n1,433,600\n", "" },
	{ "capacity -qf configs/paper.yaml --what-if stages=0x7", 2, "", "*'stages=0x7': stages is a number, *\n" },
	{ "capacity -f configs/paper.yaml --what-if stages", 2, "", "*'stages': stages is a number, *\n" },
	{ "capacity -f configs/paper.yaml --what-if backend_agent=7", 2, "",
	  "*'backend_agent=7': backend_agent is true or false\n" },
	{ "capacity -j -f configs/paper.yaml", 0, "{*\"schema\": \"miresga.capacity/1\",*\"connections\": 1433600*}\n",
	  "" },
	{ "capacity", 2, "", "*-f FILE is missing*" },
	/* bench */
	{ "bench --list", 0, "switch-in-1 *\nagent-in *, budget 40 ns\n*\nreplay-play *, budget 3 x replay-read\n",
	  "" },
	{ "bench -q --list ring tcp-in", 0, "ring\ntcp-in\n", "" },
	{ "-q bench --rounds=2 --time=1us ring", 0, "ring [0-9]*.[0-9][0-9]\n", "" },
	{ "bench --rounds=2 --time=1us checksum", 0, "* ns * least *\nchecksum-update *\nchecksum-segment *", "" },
	{ "bench swich", 2, "", "miresga: bench: unknown bench 'swich'; did you mean 'switch'[?]\n" },
	{ "bench agent-in-sak", 2, "",
	  "miresga: bench: unknown bench 'agent-in-sak'; did you mean 'agent-in-sack'[?]\n" },
	{ "bench --rounds=0", 2, "", "miresga: bench: --rounds: '0' is not a number from 1 to 1000\n" },
	{ "bench --time=5", 2, "", "miresga: bench: --time: *missing unit *" },
	{ "bench --trace=- replay", 1, "* ns *", "miresga: bench: replay-read: *cannot be standard input\n" },
	{ "bench --trace=tests/cli/no-such-file.pcap replay-play", 1, "*",
	  "miresga: bench: replay-play: tests/cli/no-such-file.pcap: No such file or directory\n" },
	/* agent */
	{ "agent", 2, "", "miresga: agent: what is to be done[?] attach|detach|status|dump, as in\n  miresga agent *" },
	{ "agent atach eth0", 2, "", "miresga: agent: unknown action 'atach'; did you mean 'attach'[?]\n" },
	{ "agent attach", 2, "",
	  "miresga: agent: attach: no interface given, as in\n  miresga agent attach eth0 -f *" },
	{ "agent attach eth0", 2, "", "miresga: agent: no configuration given: -f FILE is missing, as in\n*" },
	{ "agent attach eth0 eth1", 2, "", "miresga: agent: unexpected operand 'eth1'\n" },
	{ "agent attach eth0 -f tests/cli/broken.yaml", 1, "", "tests/cli/broken.yaml:*: error: *\n" },
	{ "agent --xdp=fast status", 2, "", "miresga: agent: --xdp: 'fast' is not one of auto|generic\n" },
	{ "agent status --bpffs=tests/cli", 1, "", "miresga: agent: *\n" },
	{ "agent dump eth0 --bpffs=tests/cli", 1, "", "miresga: agent: *\n" },
	{ "man miresga-agent.8", 0, "*.TH MIRESGA-AGENT 8 *.SH \"COUNTERS\"*", "" },
	/* completion, man */
	{ "completion bash", 0, "# bash completion *\ncomplete -F _miresga miresga\n", "" },
	{ "completion zsh", 0, "#compdef miresga\n*", "" },
	{ "completion zhs", 2, "", "miresga: completion: unknown shell 'zhs'; did you mean 'zsh'[?]\n" },
	{ "completion fish", 2, "", "miresga: completion: unknown shell 'fish'; there are bash|zsh\n" },
	{ "completion", 2, "", "miresga: completion: one shell is needed, bash|zsh, as in\n  *" },
	{ "completion --help", 0, "Usage: miresga completion bash|zsh\n*Examples:*", "" },
	{ "man", 0, "*.TH MIRESGA 1 *.SH \"COMMANDS\"*.SH \"SEE ALSO\"*", "" },
	{ "man miresga.yaml.5", 0, "*.TH MIRESGA.YAML 5 *", "" },
	{ "man miresga-script.5", 0, "*.TH MIRESGA*SCRIPT 5 *", "" },
	{ "man miresga.yaml.1", 2, "", "*unknown page 'miresga.yaml.1'; did you mean 'miresga.yaml.5'[?]\n" },
	{ "man miresga.1 miresga.1", 2, "", "miresga: man: unexpected operand 'miresga.1'\n" },
	/* replay: wrong calls */
	{ "replay --help", 0, "Usage: miresga replay *--vip=IP:PORT*--quirk=ID*Global options:*", "" },
	{ "replay $T/demo.pcap", 2, "", "miresga: replay: no configuration given: -f FILE *\n  miresga replay -f *\n" },
	{ "replay -f configs/minimal.yaml", 2, "",
	  "*no TRACE given, as in\n  miresga replay -f configs/minimal.yaml *" },
	{ "replay --vop 10.0.0.1:80", 2, "", "miresga: replay: unknown option '--vop'; did you mean '--vip'[?]\n" },
	{ "replay -f configs/minimal.yaml --vip 10.0.1 x", 2, "", "*--vip: '10.0.1' is not IP:PORT, *" },
	{ "replay -f configs/minimal.yaml --speed=fast x", 2, "", "*'fast' is not one of topspeed|trace\n" },
	{ "replay -f configs/minimal.yaml --batch=0 x", 2, "", "*'0' is not a number from 1 to 256\n" },
	{ "replay -f configs/minimal.yaml --batch=257 x", 2, "", "*'257' is not a number from 1 to 256\n" },
	{ "replay -f configs/minimal.yaml --seed=-1 x", 2, "", "*'-1' is not a number *\n" },
	{ "replay -f configs/minimal.yaml --quirk=F5,F99 x", 2, "",
	  "*unknown quirk \"F99\"; there are P2, P3, *, and all\n" },
	{ "replay -q -f configs/minimal.yaml --quirk=all $T/demo.pcap", 1, "FAILED: *\n", "" },
	{ "replay -q -f configs/minimal.yaml --as-published $T/demo.pcap", 1, "FAILED: *\n", "" },
	{ "replay -f - -", 2, "", "*cannot both be standard input\n" },
	{ "replay -j -w - -f configs/minimal.yaml x", 2, "", "*only one of * can be standard output\n" },
	{ "replay -f tests/cli/broken.yaml $T/demo.pcap", 1, "", "tests/cli/broken.yaml:*: error: *\n" },
	{ "replay -f configs/minimal.yaml tests/cli/no-such.pcap", 1, "", "miresga: replay: *no-such.pcap*\n" },
	{ "replay -f configs/minimal.yaml README.md", 1, "", "miresga: replay: *README.md*\n" },
	{ "replay -f configs/minimal.yaml $T/demo.pcap no such filter", 1, "", "miresga: replay: *\n" },
	/* replay: right ones */
	{ "replay -f configs/minimal.yaml $T/demo.pcap", 0,
	  "Trace *Switch*Verification*\nAll [0-9]* flows byte-exact.\n", "" },
	{ "-q replay -f configs/paper.yaml $T/demo.pcap", 0, "All [0-9]* flows byte-exact.\n", "" },
	{ "replay $T/demo.pcap -q -f configs/paper.yaml --batch 1", 0, "All [0-9]* flows byte-exact.\n", "" },
	{ "replay -q -f configs/paper.yaml $T/demo.pcap tcp", 0, "All [0-9]* flows byte-exact.\n", "" },
	{ "replay -q --color=always -f configs/paper.yaml $T/demo.pcap", 0,
	  "\033\\[1;32mAll [0-9]* flows byte-exact.\033\\[0m\n", "" },
	{ "replay -q -f configs/minimal.yaml --vip 192.0.2.1:80 $T/demo.pcap", 0,
	  "No TCP packet to or from 192.0.2.1:80 in the trace: nothing to replay.\n", "" },
	{ "replay -q -f configs/minimal.yaml -w /dev/null --flows=/dev/null $T/demo.pcap", 0,
	  "All [0-9]* flows byte-exact.\n", "" },
	{ "replay -q -f configs/minimal.yaml $T/demo.pcap udp", 0,
	  "No TCP handshake in the trace: nothing to replay.\n", "" },
};

START_TEST(call)
{
	struct call c = { .arguments = rows[_i].arguments };

	run_program(&c);
	if (c.status != rows[_i].status || fnmatch(rows[_i].out, c.out, 0) || fnmatch(rows[_i].err, c.err, 0))
		ck_abort_msg(
			"miresga %s\nexit %d, expected %d\nstdout: <%s>\nexpected: <%s>\nstderr: <%s>\nexpected: <%s>",
			c.arguments, c.status, rows[_i].status, c.out, rows[_i].out, c.err, rows[_i].err);
	free_call(&c);
}
END_TEST

/* Every key of the document that docs/replay.md promises; dots lead into objects. */
static const char *const promised[] = {
	"trace.packets",
	"trace.flows",
	"trace.skipped",
	"switch.syn_answered",
	"switch.fast_path_packets",
	"switch.fast_path_bytes",
	"switch.to_frontend_packets",
	"switch.offloaded",
	"switch.drops",
	"frontends",
	"backends",
	"verify.flows",
	"verify.byte_exact",
	"verify.refused",
	"verify.mismatched",
	"verify.incomplete",
	"verify.checksum_errors",
	"verify.leaked",
	"speed.seconds",
	"speed.packets_per_second",
};

static json_t *replay_document(const char *arguments)
{
	struct call c = { .arguments = arguments };
	json_error_t error;
	json_t *document;

	run_program(&c);
	ck_assert_msg(c.status == 0, "miresga %s: exit %d: %s", arguments, c.status, c.err);
	document = json_loads(c.out, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(document != NULL, "%s at line %d", error.text, error.line);
	free_call(&c);
	return document;
}

START_TEST(document_keys)
{
	json_t *document = replay_document("-j replay -f configs/paper.yaml $T/demo.pcap");

	ck_assert_str_eq(json_string_value(json_object_get(document, "schema")), "miresga.replay/1");
	for (size_t i = 0; i < ARRAY_LEN(promised); i++) {
		const char *key = promised[i], *dot = strchr(key, '.');
		char outer[64];
		json_t *at;

		snprintf(outer, sizeof(outer), "%.*s", dot ? (int)(dot - key) : 63, key);
		at = json_object_get(document, outer);
		ck_assert_msg((dot ? json_object_get(at, dot + 1) : at) != NULL, "%s is missing", key);
	}
	json_decref(document);
}
END_TEST

/* Same inputs, same document; nor does the batch size show. */
START_TEST(document_repeats)
{
	json_t *first = replay_document("-j replay -f configs/paper.yaml $T/demo.pcap");
	json_t *again = replay_document("replay -f configs/paper.yaml $T/demo.pcap --json");
	json_t *batch = replay_document("replay -f configs/paper.yaml $T/demo.pcap --json --batch=1");
	char *text[3];

	json_object_del(first, "speed");
	json_object_del(again, "speed");
	json_object_del(batch, "speed");
	text[0] = json_dumps(first, 0);
	text[1] = json_dumps(again, 0);
	text[2] = json_dumps(batch, 0);
	ck_assert_str_eq(text[0], text[1]);
	ck_assert_str_eq(text[0], text[2]);
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(text[i]);
	json_decref(first);
	json_decref(again);
	json_decref(batch);
}
END_TEST

START_TEST(interrupt_prints_what_there_is)
{
	struct call c = { .arguments = "replay -f configs/minimal.yaml $T/demo.pcap", .interrupt = true };

	run_program(&c);
	ck_assert_int_eq(c.status, 1);
	ck_assert_msg(strstr(c.out, "\nInterrupted. ") != NULL, "%s", c.out);
	free_call(&c);
}
END_TEST

/* One command each; said once, though a document is flushed more than once. */
static const struct {
	const char *arguments, *err;
} full_disks[] = {
	{ "capacity --table1", "miresga: capacity: standard output: No space left on device\n" },
	{ "replay -f configs/paper.yaml $T/demo.pcap", "miresga: replay: standard output: No space left on device\n" },
	{ "replay -jf configs/paper.yaml $T/demo.pcap", "miresga: replay: standard output: No space left on device\n" },
};

START_TEST(full_disk_is_a_failure)
{
	struct call c = { .arguments = full_disks[_i].arguments, .stdout_path = "/dev/full" };

	run_program(&c);
	ck_assert_int_eq(c.status, 1);
	ck_assert_str_eq(c.err, full_disks[_i].err);
	free_call(&c);
}
END_TEST

/* $F: a file; $L: a link to it. */
static const char *const overwriting[] = {
	"replay -f configs/paper.yaml -w $F $F",
	"replay -f configs/paper.yaml -w $F $L",
	"replay -f configs/paper.yaml --flows=$L $F",
	"replay -f $F -w $L $T/demo.pcap",
	"replay -f configs/paper.yaml -w $F --flows=$L $T/demo.pcap",
	"replay -f configs/paper.yaml -w $F.new --flows=$F.new $T/demo.pcap",
};

/* An output that is an input, or another output, is refused before anything is opened. */
START_TEST(no_input_is_overwritten)
{
	static const char content[] = "what the user has";
	char path[] = "/tmp/miresga-test.XXXXXX", other[64], fresh[64], left[64] = "";
	struct call c = { .arguments = overwriting[_i], .file = path, .link = other };
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, sizeof(content)), sizeof(content));
	snprintf(other, sizeof(other), "%s.link", path);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	ck_assert_int_eq(symlink(path, other), 0);
	run_program(&c);
	ck_assert_int_eq(pread(fd, left, sizeof(left), 0), sizeof(content));
	ck_assert_str_eq(left, content);
	ck_assert_int_ne(access(fresh, F_OK), 0);
	ck_assert_msg(c.status == 2 && strstr(c.err, " would overwrite ") != NULL, "exit %d: %s", c.status, c.err);
	free_call(&c);
	close(fd);
	unlink(path);
	unlink(other);
}
END_TEST

Suite *cli_suite(void)
{
	Suite *s = suite_create("cli");
	TCase *tc = tcase_create("calls");

	tcase_add_loop_test(tc, call, 0, (int)ARRAY_LEN(rows));
	tcase_add_test(tc, document_keys);
	tcase_add_test(tc, document_repeats);
	tcase_add_test(tc, interrupt_prints_what_there_is);
	tcase_add_loop_test(tc, full_disk_is_a_failure, 0, (int)ARRAY_LEN(full_disks));
	tcase_add_loop_test(tc, no_input_is_overwritten, 0, (int)ARRAY_LEN(overwriting));
	suite_add_tcase(s, tc);
	return s;
}
