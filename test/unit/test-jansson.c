/* SPDX-License-Identifier: Apache-2.0 */

/* jansson and libopenvswitch in one program: six functions have the same name
 * in both, see cmake/VdpadJansson.cmake. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "ovs-json.h"

/* All six, through jansson's own calls too (json_pack, json_loads). */
static void
jansson_is_called(void **state)
{
    json_t *built = json_object();
    json_t *packed = json_pack("{s[sif]}", "key", "text", 42, 0.5);
    json_t *list = json_array();
    json_t *parsed;
    char *text;

    (void) state;
    json_array_append_new(list, json_string("text"));
    json_array_append_new(list, json_integer(42));
    json_array_append_new(list, json_real(0.5));
    json_object_set_new(built, "key", list);
    assert_true(json_equal(built, packed));

    text = json_dumps(built, JSON_COMPACT);
    assert_string_equal(text, "{\"key\":[\"text\",42,0.5]}");
    parsed = json_loads(text, 0, NULL);
    assert_true(json_equal(built, parsed));

    free(text);
    json_decref(parsed);
    json_decref(packed);
    json_decref(built);
}

static void
libopenvswitch_is_called(void **state)
{
    static const char text[] = "{\"key\":[\"text\",42,0.5]}";
    char *printed = test_ovs_json_round_trip(text);

    (void) state;
    assert_non_null(printed);
    assert_string_equal(printed, text);
    free(printed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jansson_is_called),
        cmocka_unit_test(libopenvswitch_is_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
