/* SPDX-License-Identifier: Apache-2.0 */
#include "test/data/recorded.h"

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "netlink/uapi.h"
#include "netlink/vdpa-codec.h"

static int
decode_mgmtdev(const void *payload, size_t len, void *row)
{
    return vdpad_vdpa_decode_mgmtdev(payload, len, row);
}

static int
decode_dev(const void *payload, size_t len, void *row)
{
    return vdpad_vdpa_decode_dev(payload, len, row);
}

static int
decode_config(const void *payload, size_t len, void *row)
{
    return vdpad_vdpa_decode_config(payload, len, row);
}

static void
test_mgmtdev(void **state)
{
    struct vdpad_mgmtdev rows[4];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/vdpa-mgmtdev.nl",
                                   decode_mgmtdev, rows, sizeof rows[0], 4),
                     2);
    assert_string_equal(rows[0].bus, "pci");
    assert_string_equal(rows[0].dev, "0001:08:00.2");
    assert_string_equal(rows[1].dev, "0001:08:00.3");
    assert_int_equal(rows[0].classes, 2);
    assert_int_equal(rows[0].features, 0x308c30028);
    assert_int_equal(rows[0].max_vqs, 65);
}

static void
test_dev(void **state)
{
    struct vdpad_vdpa rows[4];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/vdpa-dev.nl", decode_dev, rows,
                                   sizeof rows[0], 4),
                     2);
    assert_string_equal(rows[0].name, "vdpa:0001:08:00.2");
    assert_string_equal(rows[0].bus, "pci");
    assert_string_equal(rows[0].dev, "0001:08:00.2");
    assert_int_equal(rows[0].id, 1);
    assert_int_equal(rows[0].vendor, 5555);
    assert_int_equal(rows[0].max_vqs, 5);
    assert_int_equal(rows[0].max_vq_size, 256);
    assert_false(rows[0].has_config);
    assert_string_equal(rows[1].name, "vdpa:0001:08:00.3");
    assert_int_equal(rows[1].max_vqs, 3);
}

static void
test_config(void **state)
{
    static const uint8_t mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };
    struct vdpad_vdpa rows[4];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/vdpa-config.nl", decode_config,
                                   rows, sizeof rows[0], 4),
                     2);
    assert_true(rows[0].has_config && rows[0].has_mac && rows[0].has_mtu
                && rows[0].has_max_vqp && rows[0].has_status);
    assert_memory_equal(rows[0].mac, mac, 6);
    assert_int_equal(rows[0].mtu, 1400);
    assert_int_equal(rows[0].max_vqp, 2);
    /* Without a MAC there is no feature F_MAC, so none is told. */
    assert_true(rows[1].has_config && !rows[1].has_mac);
    assert_int_equal(rows[1].mtu, 1500);
    assert_int_equal(rows[1].max_vqp, 1);
    assert_true(rows[1].has_negotiated);
}

static void
test_mangled(void **state)
{
    (void) state;
    recorded_mangle("linux-6.12/vdpa-mgmtdev.nl", decode_mgmtdev,
                    sizeof(struct vdpad_mgmtdev));
    recorded_mangle("linux-6.12/vdpa-dev.nl", decode_dev,
                    sizeof(struct vdpad_vdpa));
    recorded_mangle("linux-6.12/vdpa-config.nl", decode_config,
                    sizeof(struct vdpad_vdpa));
}

/* One that cannot be named in a row is left out, and the row alone. */
static void
test_long_mgmtdev(void **state)
{
    static const struct {
        size_t bus, dev;
        int expected;
    } cases[] = {
        { 31, 39, 0 },
        { 32, 39, VDPAD_CODEC_SKIP },
        { 31, 40, VDPAD_CODEC_SKIP },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vdpad_mgmtdev row, before;
        struct genlmsghdr header = { .cmd = VDPA_CMD_MGMTDEV_NEW };
        struct nl_msg *msg = nlmsg_alloc();
        char text[64];

        assert_non_null(msg);
        assert_non_null(nlmsg_put(msg, 0, 0, 0, 0, 0));
        assert_int_equal(nlmsg_append(msg, &header, sizeof header, 4), 0);
        memset(text, 'x', sizeof text);
        text[cases[i].bus] = '\0';
        assert_int_equal(nla_put_string(msg, VDPA_ATTR_MGMTDEV_BUS_NAME, text),
                         0);
        memset(text, 'x', sizeof text);
        text[cases[i].dev] = '\0';
        assert_int_equal(nla_put_string(msg, VDPA_ATTR_MGMTDEV_DEV_NAME, text),
                         0);
        memset(&row, 0xff, sizeof row);
        before = row;
        assert_int_equal(decode_mgmtdev(nlmsg_data(nlmsg_hdr(msg)),
                                        (size_t) nlmsg_datalen(nlmsg_hdr(msg)),
                                        &row),
                         cases[i].expected);
        assert_int_equal(!memcmp(row.bus, before.bus, sizeof row.bus)
                             && !memcmp(row.dev, before.dev, sizeof row.dev)
                             && row.classes == before.classes
                             && row.features == before.features
                             && row.max_vqs == before.max_vqs,
                         cases[i].expected != 0);
        nlmsg_free(msg);
    }
}

/* A message of one command is none of another's. */
static void
test_other_command(void **state)
{
    struct vdpad_vdpa rows[4];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/vdpa-config.nl", decode_dev,
                                   rows, sizeof rows[0], 4),
                     0);
    assert_int_equal(recorded_rows("linux-6.12/vdpa-dev.nl", decode_config,
                                   rows, sizeof rows[0], 4),
                     0);
}

/* Makes one message: the header and attributes that 'build' puts. */
static struct nl_msg *
make(uint8_t cmd)
{
    struct nl_msg *msg = nlmsg_alloc();

    assert_non_null(genlmsg_put(msg, 0, 0, 0x23, 0, 0, cmd, 1));
    return msg;
}

static int
decode_made(struct nl_msg *msg, recorded_decode *decode, void *row)
{
    const struct nlmsghdr *header = nlmsg_hdr(msg);
    size_t len = (size_t) nlmsg_datalen(header);
    void *copy = malloc(len);
    int error;

    memcpy(copy, nlmsg_data(header), len);
    error = decode(copy, len, row);
    free(copy);
    nlmsg_free(msg);
    return error;
}

static void
test_made(void **state)
{
    char name[VDPAD_NAME_SIZE + 40];
    struct vdpad_vdpa row;
    struct vdpad_mgmtdev mgmtdev;
    struct nl_msg *msg;

    (void) state;
    /* A status of one byte, as the header has it. */
    msg = make(VDPA_CMD_DEV_CONFIG_GET);
    nla_put_u8(msg, VDPA_ATTR_DEV_NET_STATUS, 1);
    assert_int_equal(decode_made(msg, decode_config, &row), 0);
    assert_int_equal(row.status, 1);

    /* No bus, as vdpa_sim's; attributes of the future. */
    msg = make(VDPA_CMD_MGMTDEV_NEW);
    nla_put_string(msg, VDPA_ATTR_MGMTDEV_DEV_NAME, "vdpasim_net");
    nla_put_string(msg, 200, "?");
    nla_put_u64(msg, VDPA_ATTR_DEV_FEATURES + 1, 1);
    assert_int_equal(decode_made(msg, decode_mgmtdev, &mgmtdev), 0);
    assert_string_equal(mgmtdev.bus, "");
    assert_string_equal(mgmtdev.dev, "vdpasim_net");
    assert_int_equal(mgmtdev.max_vqs, 0);

    /* No name; a MAC, a number and a text of wrong lengths. */
    msg = make(VDPA_CMD_DEV_NEW);
    nla_put_u32(msg, VDPA_ATTR_DEV_ID, 1);
    assert_int_equal(decode_made(msg, decode_dev, &row), -EBADMSG);
    msg = make(VDPA_CMD_DEV_CONFIG_GET);
    nla_put(msg, VDPA_ATTR_DEV_NET_CFG_MACADDR, 5, "12345");
    assert_int_equal(decode_made(msg, decode_config, &row), -EBADMSG);
    msg = make(VDPA_CMD_DEV_CONFIG_GET);
    nla_put_u32(msg, VDPA_ATTR_DEV_NET_CFG_MTU, 1500);
    assert_int_equal(decode_made(msg, decode_config, &row), -EBADMSG);
    msg = make(VDPA_CMD_DEV_NEW);
    nla_put(msg, VDPA_ATTR_DEV_NAME, 3, "abc");
    assert_int_equal(decode_made(msg, decode_dev, &row), -EBADMSG);

    /* A name that is too long is cut. */
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    msg = make(VDPA_CMD_DEV_NEW);
    nla_put_string(msg, VDPA_ATTR_DEV_NAME, name);
    nla_put_u32(msg, VDPA_ATTR_DEV_ID, 1);
    assert_int_equal(decode_made(msg, decode_dev, &row), 0);
    assert_int_equal(strlen(row.name), VDPAD_NAME_SIZE - 1);
}

static void
test_encode(void **state)
{
    struct vdpad_act act = {
        .object = "vdpa0",
        .word = "pci/0000:65:00.2",
        .mac = { 2, 0, 0, 0, 0, 1 },
        .has_mac = true,
        .mtu = 9000,
        .max_vqp = 8,
    };
    struct nl_msg *msg = make(VDPA_CMD_DEV_NEW);
    const void *attrs = genlmsg_attrdata(nlmsg_data(nlmsg_hdr(msg)), 0);
    size_t len;

    (void) state;
    assert_int_equal(vdpad_vdpa_encode_add(msg, &act), 0);
    len = (size_t) nlmsg_datalen(nlmsg_hdr(msg)) - GENL_HDRLEN;
    assert_string_equal(
        recorded_find_attr(attrs, len, VDPA_ATTR_MGMTDEV_BUS_NAME, 4), "pci");
    assert_string_equal(recorded_find_attr(attrs, len,
                                           VDPA_ATTR_MGMTDEV_DEV_NAME, 13),
                        "0000:65:00.2");
    assert_string_equal(recorded_find_attr(attrs, len, VDPA_ATTR_DEV_NAME, 6),
                        "vdpa0");
    assert_memory_equal(recorded_find_attr(attrs, len,
                                           VDPA_ATTR_DEV_NET_CFG_MACADDR, 6),
                        act.mac, 6);
    assert_int_equal(*(const uint16_t *) recorded_find_attr(
                         attrs, len, VDPA_ATTR_DEV_NET_CFG_MTU, 2),
                     9000);
    assert_int_equal(*(const uint16_t *) recorded_find_attr(
                         attrs, len, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, 2),
                     8);
    nlmsg_free(msg);

    /* What is not given is not sent. */
    memset(&act.mac, 0, sizeof act.mac);
    act.has_mac = false;
    act.mtu = act.max_vqp = 0;
    (void) snprintf(act.word, sizeof act.word, "vdpasim_net");
    msg = make(VDPA_CMD_DEV_NEW);
    attrs = genlmsg_attrdata(nlmsg_data(nlmsg_hdr(msg)), 0);
    assert_int_equal(vdpad_vdpa_encode_add(msg, &act), 0);
    len = (size_t) nlmsg_datalen(nlmsg_hdr(msg)) - GENL_HDRLEN;
    assert_string_equal(recorded_find_attr(attrs, len,
                                           VDPA_ATTR_MGMTDEV_DEV_NAME, 12),
                        "vdpasim_net");
    assert_null(nla_find((const struct nlattr *) attrs, (int) len,
                         VDPA_ATTR_MGMTDEV_BUS_NAME));
    assert_null(nla_find((const struct nlattr *) attrs, (int) len,
                         VDPA_ATTR_DEV_NET_CFG_MTU));
    nlmsg_free(msg);

    /* A bus name that cannot be one. */
    memset(act.word, 'x', sizeof act.word);
    memcpy(act.word + sizeof act.word - 3, "/y", 3);
    msg = make(VDPA_CMD_DEV_NEW);
    assert_int_equal(vdpad_vdpa_encode_add(msg, &act), -EMSGSIZE);
    nlmsg_free(msg);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mgmtdev),
        cmocka_unit_test(test_dev),
        cmocka_unit_test(test_long_mgmtdev),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_other_command),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
