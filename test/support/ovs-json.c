/* SPDX-License-Identifier: Apache-2.0 */

/* In a file of its own: libopenvswitch's header cannot be included beside
 * jansson's. */

#include "ovs-json.h"

#include <openvswitch/json.h>
#include <openvswitch/shash.h>

char *
test_ovs_json_round_trip(const char *text)
{
    struct json *parsed = json_from_string(text);
    const struct shash *members = json_object(parsed);
    const struct json *list = shash_find_data(members, "key");
    const struct json_array *array = json_array(list);
    struct json *built = json_object_create();
    char *printed;

    json_object_put(
        built, "key",
        json_array_create_3(json_string_create(json_string(array->elems[0])),
                            json_integer_create(json_integer(array->elems[1])),
                            json_real_create(json_real(array->elems[2]))));
    printed = json_equal(parsed, built) ? json_to_string(built, 0) : NULL;
    json_destroy(parsed);
    json_destroy(built);
    return printed;
}
