/* SPDX-License-Identifier: Apache-2.0 */
/* Generic netlink's controller, uevents, attribute streams. */
#include "test/data/recorded.h"

#include "netlink/genl-codec.h"
#include "netlink/uapi.h"
#include "netlink/uevent-codec.h"
#include "vdpad/model.h"

static int
decode_family(const void *payload, size_t len, void *family)
{
    return vdpad_genl_decode_family(payload, len, family);
}

static void
test_family(void **state)
{
    struct vdpad_genl_family family;

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/genl-family-devlink.nl",
                                   decode_family, &family, sizeof family, 1),
                     1);
    assert_string_equal(family.name, "devlink");
    assert_true(family.id >= 16);
    assert_int_equal(family.n_groups, 1);
    assert_string_equal(family.groups[0].name, DEVLINK_GENL_MCGRP_CONFIG_NAME);
    assert_true(family.groups[0].id > 0);

    assert_int_equal(recorded_rows("linux-6.12/genl-family-vdpa.nl",
                                   decode_family, &family, sizeof family, 1),
                     1);
    assert_string_equal(family.name, "vdpa");
    assert_int_equal(family.n_groups, 0);
    recorded_mangle("linux-6.12/genl-family-devlink.nl", decode_family,
                    sizeof family);
}

/* The mask of the uevent with this beginning. */
static unsigned int
uevent_classes(const char *data, size_t size, const char *begin)
{
    size_t offset = 0;

    while (offset + 4 <= size) {
        unsigned int classes;
        uint32_t len;

        memcpy(&len, data + offset, 4);
        assert_true(offset + 4 + len <= size);
        if (!strncmp(data + offset + 4, begin, strlen(begin))) {
            assert_int_equal(
                vdpad_uevent_decode(data + offset + 4, len, &classes), 0);
            return classes;
        }
        offset += 4 + len;
    }
    fail_msg("no uevent %s", begin);
    return 0;
}

static void
test_uevents(void **state)
{
    size_t size;
    char *data = recorded_load("linux-6.12/uevents.bin", &size);
    const unsigned int vdpa = 1u << VDPAD_VBUS | 1u << VDPAD_VDPA
                              | 1u << VDPAD_HOLDER;

    (void) state;
    assert_int_equal(
        uevent_classes(data, size,
                       "bind@/devices/pci0001:08/0001:08:00.2/vdpa:"),
        vdpa);
    assert_true(
        uevent_classes(data, size, "add@/devices/pci0001:08/0001:08:00.2")
        & 1u << VDPAD_PCI);
    assert_true(
        uevent_classes(data, size, "bind@/devices/pci0001:08/0001:08:00.2")
        & 1u << VDPAD_MGMTDEV);
    assert_int_equal(
        uevent_classes(data, size,
                       "add@/devices/pci0001:08/0001:08:00.3/virtio"),
        1u << VDPAD_VBUS);
    assert_true(uevent_classes(data, size, "add@/devices/virtual/net/v1")
                & 1u << VDPAD_LINK);
    assert_int_equal(uevent_classes(data, size,
                                    "add@/devices/virtual/net/v1/queues/rx-0"),
                     0);
    free(data);
}

static void
test_uevent_mangled(void **state)
{
    static const char good[] = "add@/x\0ACTION=add\0SUBSYSTEM=vdpa";
    static const char udev[] = "libudev\0\xfe\xed\xca\xfe";
    unsigned int classes = 1;

    (void) state;
    assert_int_equal(vdpad_uevent_decode(good, sizeof good, &classes), 0);
    assert_true(classes & 1u << VDPAD_VBUS);
    for (size_t len = 0; len < sizeof good; len++) {
        char *cut = malloc(len ? len : 1);

        memcpy(cut, good, len);
        assert_true(
            recorded_is_answer(vdpad_uevent_decode(cut, len, &classes)));
        free(cut);
    }
    assert_int_equal(vdpad_uevent_decode(udev, sizeof udev, &classes),
                     -EBADMSG);
    assert_int_equal(vdpad_uevent_decode("", 1, &classes), -EBADMSG);
    assert_int_equal(vdpad_uevent_decode("x@y", 4, &classes), -EBADMSG);
}

static void
test_streams(void **state)
{
    /* Attribute 1 of 2 bytes, padded. */
    static const _Alignas(4) uint8_t good[] = { 6, 0, 1, 0, 7, 0, 0, 0 };
    static const _Alignas(4) uint8_t shorter[] = { 3, 0, 1, 0 };
    static const _Alignas(4) uint8_t longer[] = { 9, 0, 1, 0, 7, 0, 0, 0 };
    static const struct nla_policy u16[2] = { [1] = VDPAD_POLICY_U16 };
    static const struct nla_policy u32[2] = { [1] = VDPAD_POLICY_U32 };
    static const struct nla_policy u8[2] = { [1] = VDPAD_POLICY_U8 };
    struct nlattr *tb[2];
    char text[4];

    (void) state;
    assert_true(vdpad_attrs_are_sound(good, 0));
    assert_true(vdpad_attrs_are_sound(good, 8));
    /* The last one may lack its padding, but nothing else. */
    assert_true(vdpad_attrs_are_sound(good, 6));
    assert_false(vdpad_attrs_are_sound(good, 5));
    assert_false(vdpad_attrs_are_sound(good, 3));
    assert_false(vdpad_attrs_are_sound(shorter, 4));
    assert_false(vdpad_attrs_are_sound(longer, 8));

    assert_int_equal(vdpad_attrs_parse(tb, 1, good, 8, u16), 0);
    assert_int_equal(vdpad_attr_u16(tb[1], 0), 7);
    assert_int_equal(vdpad_attrs_parse(tb, 1, good, 8, u32), -EBADMSG);
    assert_int_equal(vdpad_attrs_parse(tb, 1, good, 8, u8), -EBADMSG);
    assert_int_equal(vdpad_attrs_parse_after(tb, 1, good, 3, 4, u16),
                     -EBADMSG);
    assert_int_equal(vdpad_attrs_parse_after(tb, 1, good, 4, 4, u16), 0);
    assert_null(tb[1]);

    assert_true(vdpad_attr_text(NULL, text, sizeof text));
    assert_string_equal(text, "");
    assert_false(vdpad_text_copy(text, sizeof text, "abcd"));
    assert_string_equal(text, "abc");
    assert_true(vdpad_text_copy(text, sizeof text, "xyz"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_uevents),
        cmocka_unit_test(test_uevent_mangled),
        cmocka_unit_test(test_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
