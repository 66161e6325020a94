/* SPDX-License-Identifier: BSD-2-Clause */
/* test_fsm.c: the transition table is whole: every cell written, every target and action sane. */
#include <check.h>
#include <string.h>

#include "src/frontend/frontend_internal.h"

Suite *fsm_suite(void);

START_TEST(no_cell_is_unwritten)
{
	for (unsigned s = 0; s < FSM_STATE_COUNT; s++)
		for (unsigned e = 0; e < FSM_EVENT_COUNT; e++)
			ck_assert_msg(fsm_table[s][e].kind != CELL_UNWRITTEN, "[%s][%s] is unwritten",
				      fsm_state_name(s), fsm_event_name(e));
}
END_TEST

START_TEST(cells_make_sense)
{
	for (unsigned s = 0; s < FSM_STATE_COUNT; s++)
		for (unsigned e = 0; e < FSM_EVENT_COUNT; e++) {
			const struct fsm_cell *c = &fsm_table[s][e];

			ck_assert_uint_lt(c->action, FSM_ACTION_COUNT);
			ck_assert_uint_lt(c->next, FSM_STATE_COUNT);
			if (c->kind == CELL_ILLEGAL)
				ck_assert_uint_eq(c->action, ACTION_NOTHING);
			if (c->kind == CELL_GO && c->next == FSM_NONE)
				ck_assert_uint_eq(s, FSM_LINGER); /* only a flow that has ended is forgotten */
			if (e == EVENT_NONE)
				ck_assert_uint_eq(c->kind, CELL_ILLEGAL);
		}
}
END_TEST

START_TEST(every_state_has_a_way_out)
{
	for (unsigned s = FSM_INIT; s < FSM_STATE_COUNT; s++) {
		bool out = false;

		for (unsigned e = 0; e < FSM_EVENT_COUNT; e++)
			out |= fsm_table[s][e].kind == CELL_GO && fsm_table[s][e].next != s;
		ck_assert_msg(out, "%s is a trap", fsm_state_name(s));
		/* Time ends it: by its idle timeout, or by the last retransmission. */
		ck_assert(fsm_table[s][EVENT_IDLE].kind == CELL_GO || fsm_table[s][EVENT_GIVE_UP].kind == CELL_GO);
		ck_assert(fsm_table[s][EVENT_IDLE].kind != CELL_GO || fsm_idle_class[s] != IDLE_OFF);
	}
}
END_TEST

START_TEST(names_are_distinct)
{
	for (unsigned a = 0; a < FSM_EVENT_COUNT; a++)
		for (unsigned b = 0; b < a; b++)
			ck_assert_str_ne(fsm_event_name(a), fsm_event_name(b));
	for (unsigned a = 0; a < FSM_ACTION_COUNT; a++)
		ck_assert_uint_gt(strlen(fsm_action_name(a)), 0);
	for (unsigned a = 0; a < FSM_STATE_COUNT; a++)
		ck_assert_uint_gt(strlen(fsm_state_name(a)), 0);
}
END_TEST

Suite *fsm_suite(void)
{
	Suite *s = suite_create("fsm");
	TCase *t = tcase_create("table");

	tcase_add_test(t, no_cell_is_unwritten);
	tcase_add_test(t, cells_make_sense);
	tcase_add_test(t, every_state_has_a_way_out);
	tcase_add_test(t, names_are_distinct);
	suite_add_tcase(s, t);
	return s;
}
