/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of many rows, and what else commands put off, over several turns. */
#include "cmd-fixture.h"

#include "controller/cmd-rows.h"
#include "controller/util.h"

#define N_ROWS 4

static const struct vdpad_column columns[] = {
    { "NAME", "name" },
    { "N", "n" },
};

static size_t n_made, n_freed;

/* Longer than what one turn has for it. */
static void
use_up_slice(void)
{
    int64_t end = vdpad_loop_clock_ns() + 3 * VDPAD_SLICE_NS;

    while (vdpad_loop_clock_ns() < end) {
    }
}

static json_t *
make_row(size_t i)
{
    json_t *row = json_object();

    vdpad_json_set(row, "name",
                   vdpad_json_format("%.*s", (int) i + 1, "\"long name\""));
    vdpad_json_set(row, "n", vdpad_json_int((int64_t) (i * i * i)));
    return row;
}

static bool
next_row(struct vdpad_call *call, void *n_rows, json_t *rows)
{
    assert_ptr_equal(call->ctl, &ctl);
    use_up_slice();
    if (n_made < *(const size_t *) n_rows) {
        vdpad_json_add(rows, make_row(n_made++));
    }
    return n_made < *(const size_t *) n_rows;
}

static void
count_free(void *aux)
{
    (void) aux;
    n_freed++;
}

/* Has 'n' rows printed; '*n_turns' is how many it took. */
static char *
print_rows(size_t n, bool json, int *n_turns)
{
    struct vdpad_call *call = vdpad_xcalloc(1, sizeof *call);
    struct vdpad_request request;

    memset(&request, 0, sizeof request);
    call->ctl = (void *) &ctl;
    call->request = &request;
    call->json = json;
    n_made = n_freed = 0;
    vdpad_call_reply_rows(call, columns, N_ELEMS(columns), next_row,
                          count_free, &n);
    for (*n_turns = 1; !request.is_done; ++*n_turns) {
        assert_int_equal(n_freed, 0);
        vdpad_commands_run(vdpad_loop_clock_ns());
    }
    assert_int_equal(n_made, n);
    assert_int_equal(n_freed, 1);
    return request.text;
}

static void
rows_take_turns(void **state)
{
    json_t *rows = json_array();
    int n_turns;

    (void) state;
    for (size_t i = 0; i < N_ROWS; i++) {
        vdpad_json_add(rows, make_row(i));
    }

    char *expected = vdpad_table_text(rows, columns, N_ELEMS(columns));
    char *text = print_rows(N_ROWS, false, &n_turns);

    expected[strlen(expected) - 1] = '\0'; /* The client adds one. */
    assert_string_equal(text, expected);
    assert_in_range(n_turns, N_ROWS, 1000);
    free(text);
    free(expected);

    expected = vdpad_json_dump(rows);
    text = print_rows(N_ROWS, true, &n_turns);
    assert_string_equal(text, expected);
    assert_in_range(n_turns, N_ROWS, 1000);
    free(text);
    free(expected);
}

static void
no_rows(void **state)
{
    int n_turns;

    (void) state;
    char *text = print_rows(0, true, &n_turns);
    assert_string_equal(text, "[]");
    free(text);
    text = print_rows(0, false, &n_turns);
    assert_string_equal(text, "NAME  N\nnone");
    free(text);
}

static char order[16];

static void
put_off(void *letter)
{
    strcat(order, letter);
    use_up_slice();
    if (*(const char *) letter == 'a') {
        static char last[] = "d";

        vdpad_call_later(put_off, last);
    }
}

/* A turn ends when its time is used up, and each gets its turn. */
static void
order_is_kept(void **state)
{
    static char a[] = "a", b[] = "b", c[] = "c";

    (void) state;
    vdpad_call_later(put_off, a);
    vdpad_call_later(put_off, b);
    vdpad_call_later(put_off, c);
    for (size_t i = 1; i <= 4; i++) {
        vdpad_commands_run(vdpad_loop_clock_ns());
        assert_int_equal(strlen(order), i);
    }
    assert_string_equal(order, "abcd");
    vdpad_commands_run(vdpad_loop_clock_ns());
    assert_string_equal(order, "abcd");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(rows_take_turns),
        fixture_test(no_rows),
        fixture_test(order_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
