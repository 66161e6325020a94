/* SPDX-License-Identifier: BSD-2-Clause */
/* test_pcapng.c: the writer's blocks, read by a parser of this file's own, by libpcap through
 * trace.h, and by tshark where it is installed; text that is none; disks that are full. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture.h"
#include "miresga/pcapng.h"
#include "miresga/trace.h"

Suite *pcapng_suite(void);

#define APPLICATION "miresga test"
#define OPTION_MAX 65535u

struct option {
	const uint8_t *value; /* NULL: not there */
	uint16_t len;
};

struct block {
	uint32_t type, len;
	const uint8_t *body;
};

/* All of a file, owned by the caller. */
static struct bytes slurp(const char *path)
{
	struct bytes b = { 0 };
	uint8_t chunk[65536];
	FILE *f = fopen(path, "rb");
	size_t n;

	ck_assert_ptr_nonnull(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		bytes_put(&b, chunk, n);
	fclose(f);
	return b;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The block at *at, its two lengths compared; moves *at behind it. False at the end. */
static bool next_block(const struct bytes *file, size_t *at, struct block *b)
{
	if (*at == file->len)
		return false;
	ck_assert_uint_ge(file->len - *at, 12);
	b->type = u32(file->data + *at);
	b->len = u32(file->data + *at + 4);
	ck_assert_uint_eq(b->len % 4, 0);
	ck_assert_uint_le(b->len, file->len - *at);
	ck_assert_uint_eq(u32(file->data + *at + b->len - 4), b->len);
	b->body = file->data + *at + 8;
	*at += b->len;
	return true;
}

/* The option `code` of a block whose options begin `fixed` bytes into the body; their padding is
 * zero and they end with the end option, if there are any. */
static struct option find_option(const struct block *b, uint32_t fixed, uint16_t code)
{
	struct option found = { 0 };
	uint32_t at = fixed, end = b->len - 12;
	bool ended = at == end;

	while (at < end) {
		uint16_t c = u16(b->body + at), len = u16(b->body + at + 2);
		uint32_t padded = (len + 3u) & ~3u;

		ck_assert(!ended);
		ck_assert_uint_le(at + 4 + padded, end);
		for (uint32_t i = len; i < padded; i++)
			ck_assert_uint_eq(b->body[at + 4 + i], 0);
		if (c == code)
			found = (struct option){ b->body + at + 4, len };
		ended = c == 0;
		at += 4 + padded;
	}
	ck_assert(ended);
	return found;
}

static void check_text(const struct option *o, const char *want)
{
	ck_assert_ptr_nonnull(o->value);
	ck_assert_uint_eq(o->len, strlen(want));
	ck_assert_mem_eq(o->value, want, o->len);
}

static void new_path(char path[32])
{
	struct bytes nothing = { 0 };

	capture_write(&nothing, path);
}

static struct pcapng_writer *open_writer(const char *path)
{
	char error[PCAPNG_ERROR_MAX];
	struct pcapng_writer *w = pcapng_open(path, APPLICATION, error);

	ck_assert_msg(w != NULL, "%s", error);
	return w;
}

static const struct packet_row {
	unsigned interface;
	uint64_t time_ns;
	uint32_t len;
	const char *comment;
} packets[] = {
	{ 0, 0, 60, NULL },
	{ 1, 1, 61, "one" },
	{ 2, 1700000000123456789, 62, "" },
	{ 0, 1700000000123456790, 63, "four" },
	{ 1, UINT64_C(0xffffffff), 14, "\xce\x94 = S \xe2\x88\x92 L" },
	{ 1, UINT64_C(0x100000000), 0, "empty" },
	{ 2, 1700000000999999999, FRAME_MAX, "largest" },
};
static const char *const interfaces[][2] = {
	{ "client", "between clients and switch" },
	{ "frontend0", NULL },
	{ "backend0-wire", "" },
};

static void fill(uint8_t *frame, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 13 + seed + i / 256);
	if (len >= ETH_HDR_LEN)
		store_be16(frame + 12, 0x88b5); /* local experimental */
}

static void write_rows(const char *path, unsigned rounds)
{
	struct pcapng_writer *w = open_writer(path);
	uint8_t *frame = malloc(FRAME_MAX);

	ck_assert_ptr_nonnull(frame);
	for (unsigned i = 0; i < ARRAY_LEN(interfaces); i++)
		ck_assert_uint_eq(pcapng_add_interface(w, interfaces[i][0], interfaces[i][1]), i);
	for (unsigned n = 0; n < rounds * ARRAY_LEN(packets); n++) {
		const struct packet_row *p = &packets[n % ARRAY_LEN(packets)];

		fill(frame, p->len, n);
		pcapng_write(w, p->interface, p->time_ns, frame, p->len, p->comment);
		ck_assert_uint_eq(pcapng_packets(w), n + 1);
	}
	ck_assert_ptr_null(pcapng_error(w));
	ck_assert_int_eq(pcapng_close(w, NULL), 0);
	free(frame);
}

static void check_head(const struct bytes *file, size_t *at)
{
	struct block b;
	struct option o;

	ck_assert(next_block(file, at, &b));
	ck_assert_uint_eq(b.type, 0x0a0d0d0a);
	ck_assert_uint_eq(u32(b.body), 0x1a2b3c4d);
	ck_assert_uint_eq(u16(b.body + 4), 1);
	ck_assert_uint_eq(u16(b.body + 6), 0);
	o = find_option(&b, 16, 4);
	check_text(&o, APPLICATION);
	for (unsigned i = 0; i < ARRAY_LEN(interfaces); i++) {
		ck_assert(next_block(file, at, &b));
		ck_assert_uint_eq(b.type, 1);
		ck_assert_uint_eq(u16(b.body), 1);
		ck_assert_uint_eq(u32(b.body + 4), 0);
		o = find_option(&b, 8, 2);
		check_text(&o, interfaces[i][0]);
		o = find_option(&b, 8, 3);
		if (interfaces[i][1] && *interfaces[i][1])
			check_text(&o, interfaces[i][1]);
		else
			ck_assert_ptr_null(o.value);
		o = find_option(&b, 8, 9);
		ck_assert_uint_eq(o.len, 1);
		ck_assert_uint_eq(o.value[0], 9);
	}
}

START_TEST(test_blocks)
{
	const unsigned rounds = 20; /* several times the writer's buffer */
	uint8_t *frame = malloc(FRAME_MAX);
	struct bytes file;
	struct block b;
	size_t at = 0;
	char path[32];

	new_path(path);
	write_rows(path, rounds);
	file = slurp(path);
	unlink(path);
	ck_assert_uint_gt(file.len, 1 << 20);
	check_head(&file, &at);
	for (unsigned n = 0; n < rounds * ARRAY_LEN(packets); n++) {
		const struct packet_row *p = &packets[n % ARRAY_LEN(packets)];
		struct option o;

		ck_assert(next_block(&file, &at, &b));
		ck_assert_uint_eq(b.type, 6);
		ck_assert_uint_eq(u32(b.body), p->interface);
		ck_assert_uint_eq((uint64_t)u32(b.body + 4) << 32 | u32(b.body + 8), p->time_ns);
		ck_assert_uint_eq(u32(b.body + 12), p->len);
		ck_assert_uint_eq(u32(b.body + 16), p->len);
		fill(frame, p->len, n);
		ck_assert(memcmp(b.body + 20, frame, p->len) == 0);
		o = find_option(&b, 20 + ((p->len + 3) & ~3u), 1);
		if (p->comment && *p->comment)
			check_text(&o, p->comment);
		else
			ck_assert_ptr_null(o.value);
	}
	ck_assert(!next_block(&file, &at, &b));
	free(frame);
	bytes_free(&file);
}
END_TEST

/* libpcap's view, and equal runs give equal bytes. */
START_TEST(test_read_back)
{
	const struct trace_options options = { 0 };
	char path[32], again[32], error[TRACE_ERROR_MAX];
	struct bytes one, two;
	struct trace_packet p;
	struct trace_reader *t;

	new_path(path);
	new_path(again);
	write_rows(path, 3);
	write_rows(again, 3);
	one = slurp(path);
	two = slurp(again);
	ck_assert_uint_eq(one.len, two.len);
	ck_assert(memcmp(one.data, two.data, one.len) == 0);
	t = trace_open(path, &options, error);
	ck_assert_msg(t != NULL, "%s", error);
	for (unsigned n = 0; n < 3 * ARRAY_LEN(packets); n++) {
		ck_assert_msg(trace_next(t, &p) == 1, "%s", trace_error(t));
		ck_assert_uint_eq(p.time_ns, packets[n % ARRAY_LEN(packets)].time_ns);
	}
	ck_assert_int_eq(trace_next(t, &p), 0);
	trace_close(t);
	unlink(path);
	unlink(again);
	bytes_free(&one);
	bytes_free(&two);
}
END_TEST

static const struct text_row {
	const char *text, *want;
} text_rows[] = {
	{ "plain", "plain" },
	{ "\xc3\xa9t\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x90\xb3", "\xc3\xa9t\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x90\xb3" },
	{ "\xff", "?" },
	{ "a\x80z", "a?z" },
	{ "cut \xc3", "cut ?" },
	{ "cut \xe2\x86", "cut ??" },
	{ "cut \xf0\x9f\x90", "cut ???" },
	{ "overlong \xc0\xaf \xe0\x80\xaf", "overlong ?? ???" },
	{ "surrogate \xed\xa0\x80", "surrogate ???" },
	{ "first after the surrogates \xee\x80\x80", "first after the surrogates \xee\x80\x80" },
	{ "beyond \xf4\x90\x80\x80 \xf5\x80\x80\x80", "beyond ???? ????" },
	{ "last \xf4\x8f\xbf\xbf", "last \xf4\x8f\xbf\xbf" },
	{ "lines\nand\ttabs", "lines\nand\ttabs" },
};

static void check_comment(const char *text, const char *want)
{
	struct pcapng_writer *w;
	struct bytes file;
	struct option o;
	struct block b;
	size_t at = 0;
	char path[32];

	new_path(path);
	w = open_writer(path);
	pcapng_add_interface(w, text, text);
	pcapng_write(w, 0, 0, "abcde", 5, text);
	ck_assert_int_eq(pcapng_close(w, NULL), 0);
	file = slurp(path);
	unlink(path);
	ck_assert(next_block(&file, &at, &b));
	ck_assert(next_block(&file, &at, &b));
	o = find_option(&b, 8, 3);
	check_text(&o, want);
	ck_assert(next_block(&file, &at, &b));
	o = find_option(&b, 28, 1);
	check_text(&o, want);
	bytes_free(&file);
}

START_TEST(test_text)
{
	check_comment(text_rows[_i].text, text_rows[_i].want);
}
END_TEST

/* An option ends at 65,535 bytes, but never within a character. */
START_TEST(test_long_text)
{
	char *text = malloc(OPTION_MAX + 8), *want = malloc(OPTION_MAX + 8);

	ck_assert(text && want);
	for (unsigned before = OPTION_MAX - 4; before <= OPTION_MAX; before++) {
		unsigned kept = before + 3 <= OPTION_MAX ? MIN(before + 4, OPTION_MAX) : before;

		memset(text, 'x', before);
		memcpy(text + before, "\xe2\x86\x92y", 5); /* three bytes, and one more */
		memcpy(want, text, before + 5);
		want[kept] = '\0';
		check_comment(text, want);
	}
	free(text);
	free(want);
}
END_TEST

START_TEST(test_full_disk)
{
	char error[PCAPNG_ERROR_MAX] = "", frame[1500] = { 0 };
	struct pcapng_writer *w;

	if (access("/dev/full", W_OK) != 0) {
		printf("skipped: /dev/full is not there\n");
		return;
	}
	/* small: the error comes with the last flush */
	w = open_writer("/dev/full");
	pcapng_add_interface(w, "client", NULL);
	pcapng_write(w, 0, 0, frame, sizeof(frame), "x");
	ck_assert_ptr_null(pcapng_error(w));
	ck_assert_int_eq(pcapng_close(w, error), -1);
	ck_assert_str_eq(error, "/dev/full: No space left on device");
	/* large: it sticks, and nothing more is counted */
	w = open_writer("/dev/full");
	pcapng_add_interface(w, "client", NULL);
	for (unsigned i = 0; i < 1000; i++)
		pcapng_write(w, 0, i, frame, sizeof(frame), NULL);
	ck_assert_ptr_nonnull(pcapng_error(w));
	ck_assert_str_eq(pcapng_error(w), "/dev/full: No space left on device");
	ck_assert_uint_lt(pcapng_packets(w), 1000);
	ck_assert_int_eq(pcapng_close(w, NULL), -1);
}
END_TEST

START_TEST(test_open_errors)
{
	char error[PCAPNG_ERROR_MAX];

	ck_assert_ptr_null(pcapng_open("/nonexistent/x.pcapng", APPLICATION, error));
	ck_assert_str_eq(error, "/nonexistent/x.pcapng: No such file or directory");
	ck_assert_ptr_null(pcapng_open("/tmp", APPLICATION, error));
	ck_assert_str_eq(error, "/tmp: Is a directory");
	ck_assert_int_eq(pcapng_close(NULL, error), 0);
}
END_TEST

START_TEST(test_stdout)
{
	int before, fd;
	struct bytes direct, through;
	char path[32], other[32];

	new_path(path);
	new_path(other);
	write_rows(other, 1);
	fd = open(path, O_WRONLY);
	fflush(stdout);
	before = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	write_rows("-", 1);
	ck_assert_int_ge(fcntl(STDOUT_FILENO, F_GETFD), 0); /* still open */
	dup2(before, STDOUT_FILENO);
	close(before);
	direct = slurp(other);
	through = slurp(path);
	ck_assert_uint_eq(direct.len, through.len);
	ck_assert(memcmp(direct.data, through.data, direct.len) == 0);
	unlink(path);
	unlink(other);
	bytes_free(&direct);
	bytes_free(&through);
}
END_TEST

START_TEST(test_tshark)
{
	static const char *const want[] = {
		"client\t0.000000000\t60\t",
		"frontend0\t0.000000001\t61\tone",
		"backend0-wire\t1700000000.123456789\t62\t",
		"client\t1700000000.123456790\t63\tfour",
		"frontend0\t4.294967295\t14\t\xce\x94 = S \xe2\x88\x92 L",
		"frontend0\t4.294967296\t0\tempty",
		"backend0-wire\t1700000000.999999999\t65549\tlargest",
	};
	char path[32], command[512], line[1024], found[8] = "";
	unsigned n = 0;
	FILE *f = popen("command -v tshark", "r");

	if (f && !fgets(found, sizeof(found), f))
		printf("skipped: tshark is not installed\n");
	if (f)
		pclose(f);
	if (!*found)
		return;
	new_path(path);
	write_rows(path, 1);
	/* What tshark itself complains about goes to stderr and counts as a line too much. */
	snprintf(command, sizeof(command),
		 "LC_ALL=C.UTF-8 tshark -r %s -T fields -e frame.interface_name -e frame.time_epoch -e frame.len"
		 " -e frame.comment 2>&1 | grep -v '^Running as user'",
		 path);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		ck_assert_msg(n < ARRAY_LEN(want), "one line too many: %s", line);
		ck_assert_str_eq(line, want[n]);
		n++;
	}
	pclose(f);
	unlink(path);
	ck_assert_uint_eq(n, ARRAY_LEN(want));
}
END_TEST

Suite *pcapng_suite(void)
{
	Suite *s = suite_create("pcapng");
	TCase *tc = tcase_create("pcapng");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_blocks);
	tcase_add_test(tc, test_read_back);
	tcase_add_loop_test(tc, test_text, 0, ARRAY_LEN(text_rows));
	tcase_add_test(tc, test_long_text);
	tcase_add_test(tc, test_full_disk);
	tcase_add_test(tc, test_open_errors);
	tcase_add_test(tc, test_stdout);
	tcase_add_test(tc, test_tshark);
	suite_add_tcase(s, tc);
	return s;
}
