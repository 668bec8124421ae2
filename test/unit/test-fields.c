/* SPDX-License-Identifier: Apache-2.0 */
/* The field tables of the rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controller/fields.h"

/* Every byte of a row belongs to a field or is padding: a member that the
 * table forgets is found here. */
static void
tables_are_complete(void **state)
{
    (void) state;
    for (int class_ = 0; class_ < VDPAD_N_CLASSES; class_++) {
        size_t n, end = 0;
        const struct vdpad_field *f = vdpad_fields((enum vdpad_class) class_,
                                                   &n);
        bool has_key = false;

        for (size_t i = 0; i < n; i++) {
            size_t align = f[i].type == VDPAD_FIELD_TEXT
                                   || f[i].type == VDPAD_FIELD_MAC
                                   || f[i].type == VDPAD_FIELD_BYTES
                               ? 1
                               : f[i].size;

            assert_int_equal(f[i].offset, (end + align - 1) / align * align);
            end = f[i].offset + f[i].size;
            has_key = has_key || f[i].flags & VDPAD_FIELD_KEY;
        }
        assert_true(has_key);
        size_t size = vdpad_row_size((enum vdpad_class) class_);
        assert_true(size >= end && size - end < 8);
    }
}

/* Flipping any byte of a field is a difference, if the field is compared. */
static void
every_field_is_compared(void **state)
{
    (void) state;
    for (int c = 0; c < VDPAD_N_CLASSES; c++) {
        enum vdpad_class class_ = (enum vdpad_class) c;
        size_t n, size = vdpad_row_size(class_);
        const struct vdpad_field *f = vdpad_fields(class_, &n);
        char *a = calloc(1, size), *b = calloc(1, size);

        assert_non_null(a);
        assert_non_null(b);
        for (size_t i = 0; i < n; i++) {
            bool compared = !(f[i].flags & VDPAD_FIELD_VOLATILE);
            char text[400];

            b[f[i].offset] = 1;
            assert_int_equal(vdpad_row_is_equal(class_, a, b), !compared);
            vdpad_row_diff(class_, a, b, text, sizeof text);
            assert_int_equal(text[0] != '\0', compared);
            if (compared) {
                assert_memory_equal(text, f[i].name, strlen(f[i].name));
            }
            assert_int_equal(vdpad_row_order(class_, a, b) != 0,
                             f[i].flags & VDPAD_FIELD_KEY ? 1 : 0);
            b[f[i].offset] = 0;
        }
        free(a);
        free(b);
    }
}

static void
diff_text(void **state)
{
    struct vdpad_link a = { .ifindex = 4,
                            .name = "p0",
                            .mtu = 1500,
                            .flags = 0x3,
                            .switch_id_len = 2,
                            .switch_id = { 0xab, 1 },
                            .rx_packets = 1 };
    struct vdpad_link b = { .ifindex = 4,
                            .name = "p\x1b[2J",
                            .mtu = 9000,
                            .flags = 0x2,
                            .switch_id_len = 2,
                            .switch_id = { 0xab, 2 },
                            .rx_packets = 7 };
    char text[200];

    (void) state;
    vdpad_row_diff(VDPAD_LINK, &a, &b, text, sizeof text);
    assert_string_equal(text, "name p0 -> p?[2J, mtu 1500 -> 9000, "
                              "flags 0x3 -> 0x2, switch_id ab01 -> ab02");
    vdpad_row_diff(VDPAD_LINK, &a, &b, text, 12);
    assert_string_equal(text, "name p0 -> ");
    vdpad_row_diff(VDPAD_LINK, &a, &a, text, sizeof text);
    assert_string_equal(text, "");
}

static void
keys_and_text(void **state)
{
    struct vdpad_dlport port = { .bus = "pci",
                                 .dev = "0000:65:00.0",
                                 .index = 7,
                                 .flavour = 4,
                                 .controller = -1,
                                 .pf = 0,
                                 .vf = 3,
                                 .sf = -1 };
    struct vdpad_eswitch eswitch = { .bus = "pci",
                                     .dev = "x",
                                     .mode = VDPAD_ESWITCH_NONE,
                                     .inline_mode = -1,
                                     .encap_mode = -1 };
    char text[300];

    (void) state;
    vdpad_row_key(VDPAD_DLPORT, &port, text, sizeof text);
    assert_string_equal(text, "pci/0000:65:00.0/7");
    vdpad_row_text(VDPAD_DLPORT, &port, text, sizeof text);
    assert_string_equal(text, "bus pci dev 0000:65:00.0 index 7 flavour pcivf "
                              "pf 0 vf 3 external no has_hw_addr no hw_addr "
                              "00:00:00:00:00:00 ifindex 0");
    vdpad_row_text(VDPAD_ESWITCH, &eswitch, text, sizeof text);
    assert_string_equal(text, "bus pci dev x");
}

static void
json_of_a_row(void **state)
{
    struct vdpad_flow flow = { .ifindex = 4,
                               .hw_flows = 2,
                               .hw_packets = UINT64_MAX };
    struct vdpad_pci pci = { .bdf = "0000:65:00.0",
                             .vf_index = -1,
                             .vendor = 0x15b3 };
    json_t *o = vdpad_row_json(VDPAD_FLOW, &flow);

    (void) state;
    assert_int_equal(json_integer_value(json_object_get(o, "hw_flows")), 2);
    assert_true(json_integer_value(json_object_get(o, "hw_packets"))
                == INT64_MAX);
    json_decref(o);
    o = vdpad_row_json(VDPAD_PCI, &pci);
    assert_true(json_is_null(json_object_get(o, "vf_index")));
    assert_true(json_is_null(json_object_get(o, "driver")));
    assert_string_equal(json_string_value(json_object_get(o, "vendor")),
                        "0x15b3");
    json_decref(o);
}

/* Text that fills its field has no NUL to stop at. */
static void
text_without_end(void **state)
{
    struct vdpad_module row = { .state = VDPAD_MODULE_LOADED };
    char text[100];

    (void) state;
    memset(row.name, 'x', sizeof row.name);
    vdpad_row_key(VDPAD_MODULE, &row, text, sizeof text);
    assert_int_equal(strlen(text), sizeof row.name);
}

static char seen[200];

static void
on_difference(void *aux, const void *old, const void *new_)
{
    const struct vdpad_qdisc *a = old, *b = new_;
    size_t used = strlen(seen);

    (void) aux;
    snprintf(seen + used, sizeof seen - used, "%d>%d ", a ? a->ifindex : 0,
             b ? b->ifindex : 0);
}

static size_t
compare(struct vdpad_qdisc *a, size_t n_a, struct vdpad_qdisc *b, size_t n_b)
{
    struct vdpad_picture old = { VDPAD_QDISC, n_a, sizeof *a, a };
    struct vdpad_picture new_ = { VDPAD_QDISC, n_b, sizeof *b, b };

    seen[0] = '\0';
    return vdpad_picture_compare(&old, &new_, on_difference, NULL);
}

static void
compare_pictures(void **state)
{
    struct vdpad_qdisc a[] = { { .ifindex = 1 },
                               { .ifindex = 3 },
                               { .ifindex = 5 } };
    struct vdpad_qdisc b[] = { { .ifindex = 2 },
                               { .ifindex = 3, .ingress_block = 9 },
                               { .ifindex = 5 },
                               { .ifindex = 6 } };

    (void) state;
    assert_int_equal(compare(a, 3, b, 4), 4);
    assert_string_equal(seen, "1>0 0>2 3>3 0>6 ");
    assert_int_equal(compare(a, 3, a, 3), 0);
    assert_int_equal(compare(NULL, 0, a, 3), 3);
    assert_int_equal(compare(a, 3, NULL, 0), 3);
    assert_int_equal(compare(NULL, 0, NULL, 0), 0);
}

static void
names(void **state)
{
    (void) state;
    assert_string_equal(vdpad_eswitch_mode_name(VDPAD_ESWITCH_INACTIVE),
                        "switchdev_inactive");
    assert_string_equal(vdpad_eswitch_mode_name(99), "unknown");
    assert_string_equal(vdpad_module_state_name(VDPAD_MODULE_LOADABLE),
                        "loadable");
    assert_string_equal(vdpad_module_state_name(-5), "unknown");
    assert_string_equal(vdpad_flavour_name(0), "physical");
    assert_string_equal(vdpad_flavour_name(1000), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_complete),
        cmocka_unit_test(every_field_is_compared),
        cmocka_unit_test(diff_text),
        cmocka_unit_test(keys_and_text),
        cmocka_unit_test(json_of_a_row),
        cmocka_unit_test(text_without_end),
        cmocka_unit_test(compare_pictures),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
