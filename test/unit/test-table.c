/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of outside text, and the tables made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controller/table.h"

static const struct vdpad_column columns[] = {
    { "NAME", "name" },
    { "N", "inner.n" },
    { "WHY", "why" },
};

/* Takes over the references. */
static json_t *
row(json_t *name, json_t *n, json_t *why)
{
    json_t *object = json_object(), *inner = json_object();

    vdpad_json_set(inner, "n", n);
    vdpad_json_set(object, "name", name);
    vdpad_json_set(object, "inner", inner);
    vdpad_json_set(object, "why", why);
    return object;
}

static void
assert_table(json_t *rows, const char *expected)
{
    char *text = vdpad_table_text(rows, columns, 3);

    assert_string_equal(text, expected);
    free(text);
    json_decref(rows);
}

static void
table_is_aligned(void **state)
{
    json_t *rows = json_array();

    (void) state;
    vdpad_json_add(rows, row(vdpad_json_text("a"), vdpad_json_int(5),
                             vdpad_json_text("because it is so")));
    vdpad_json_add(rows, row(vdpad_json_text("longer"), vdpad_json_int(1234),
                             json_null()));
    vdpad_json_add(rows, row(vdpad_json_text("\xc3\xa4\xc3\xb6"), json_null(),
                             json_true()));
    assert_table(rows, "NAME       N  WHY\n"
                       "a          5  because it is so\n"
                       "longer  1234  -\n"
                       "\xc3\xa4\xc3\xb6         -  yes\n");
}

static void
empty_table(void **state)
{
    (void) state;
    assert_table(json_array(), "NAME  N  WHY\nnone\n");
}

static void
outside_text_is_tamed(void **state)
{
    json_t *rows = json_array();
    char long_name[301];

    (void) state;
    memset(long_name, 'x', 300);
    long_name[300] = '\0';
    vdpad_json_add(rows, row(vdpad_json_text("\x1b[31m\nred\t\x7f"),
                             vdpad_json_int(1), vdpad_json_text("\xff\xfe")));
    assert_table(rows, "NAME         N  WHY\n"
                       "?[31m?red??  1  ??\n");

    rows = json_array();
    vdpad_json_add(rows, row(vdpad_json_text(long_name), vdpad_json_int(1),
                             json_null()));
    char *text = vdpad_table_text(rows, columns, 3);
    assert_non_null(strstr(text, long_name));
    free(text);
    json_decref(rows);
}

static void
arrays_and_objects(void **state)
{
    json_t *rows = json_array(), *users = json_array(), *user = json_object();

    (void) state;
    vdpad_json_set(user, "pid", vdpad_json_int(12));
    vdpad_json_set(user, "command", vdpad_json_text("qemu"));
    vdpad_json_add(users, user);
    vdpad_json_add(users, json_deep_copy(user));
    vdpad_json_add(rows, row(json_array(), json_false(), users));
    assert_table(rows, "NAME  N   WHY\n"
                       "-     no  12 qemu, 12 qemu\n");
}

static void
sheets(void **state)
{
    json_t *object = row(vdpad_json_text("a"), vdpad_json_int(5), json_null());
    struct vdpad_text_stream out;

    (void) state;
    vdpad_text_open(&out);
    vdpad_sheet_print(out.stream, object, "  ");
    char *text = vdpad_text_close(&out);
    assert_string_equal(text, "  name     a\n"
                              "  inner.n  5\n"
                              "  why      -\n");
    free(text);
    json_decref(object);
}

static void
text_becomes_utf8(void **state)
{
    json_t *value = vdpad_json_text("a\xff"
                                    "b");

    (void) state;
    assert_string_equal(json_string_value(value), "a?b");
    json_decref(value);

    /* JSON itself escapes what a terminal would act upon. */
    value = vdpad_json_text("\x1b");
    char *text = vdpad_json_dump(value);
    assert_string_equal(text, "\"\\u001B\"");
    free(text);

    assert_true(json_is_null(vdpad_json_text("")));
    assert_true(json_is_null(vdpad_json_text(NULL)));
}

static void
numbers(void **state)
{
    json_t *value = vdpad_json_u64(UINT64_MAX);

    (void) state;
    assert_true(json_integer_value(value) == INT64_MAX);
    json_decref(value);
    assert_true(json_is_null(vdpad_json_optional(-1, -1)));
    value = vdpad_json_optional(0, -1);
    assert_int_equal(json_integer_value(value), 0);
    json_decref(value);
}

static void
paths(void **state)
{
    json_t *object = row(vdpad_json_text("a"), vdpad_json_int(5), json_null());

    (void) state;
    assert_int_equal(json_integer_value(vdpad_json_at(object, "inner.n")), 5);
    assert_null(vdpad_json_at(object, "inner.x"));
    assert_null(vdpad_json_at(object, "x.n"));
    assert_null(vdpad_json_at(object, "name.n"));
    json_decref(object);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_aligned),
        cmocka_unit_test(empty_table),
        cmocka_unit_test(outside_text_is_tamed),
        cmocka_unit_test(arrays_and_objects),
        cmocka_unit_test(sheets),
        cmocka_unit_test(text_becomes_utf8),
        cmocka_unit_test(numbers),
        cmocka_unit_test(paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
