/* SPDX-License-Identifier: Apache-2.0 */
#include "test/data/recorded.h"

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "netlink/devlink-codec.h"
#include "netlink/uapi.h"

static int
decode_dev(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_dev(payload, len, row);
}

static int
decode_eswitch(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_eswitch(payload, len, row);
}

static int
decode_info(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_info(payload, len, row);
}

static int
decode_port(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_port(payload, len, row);
}

/* As kernels before 6.8 answer a dump. */
static int
decode_older_port(const void *payload, size_t len, void *row)
{
    struct genlmsghdr header;
    char *copy = malloc(len);
    int error;

    assert_non_null(copy);
    assert_true(len >= sizeof header);
    memcpy(copy, payload, len);
    memcpy(&header, copy, sizeof header);
    assert_int_equal(header.cmd, DEVLINK_CMD_PORT_NEW);
    header.cmd = DEVLINK_CMD_NEW;
    memcpy(copy, &header, sizeof header);
    error = vdpad_devlink_decode_port(copy, len, row);
    free(copy);
    return error;
}

static int
decode_event(const void *payload, size_t len, void *classes)
{
    return vdpad_devlink_decode_event(payload, len, classes);
}

static void
test_dev(void **state)
{
    struct vdpad_eswitch rows[8];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/devlink-dev.nl", decode_dev,
                                   rows, sizeof rows[0], 8),
                     4);
    assert_string_equal(rows[0].bus, "pci");
    assert_string_equal(rows[0].dev, "0001:08:00.0");
    assert_string_equal(rows[3].dev, "0001:08:00.3");
    assert_int_equal(rows[0].mode, VDPAD_ESWITCH_NONE);
    assert_int_equal(rows[0].inline_mode, -1);
}

static void
test_eswitch(void **state)
{
    struct vdpad_eswitch rows[8];
    size_t n = recorded_rows("linux-6.12/devlink-eswitch.nl", decode_eswitch,
                             rows, sizeof rows[0], 8);

    (void) state;
    /* An instance without an e-switch answers with none of its modes. */
    assert_int_equal(n, 4);
    assert_int_equal(rows[0].mode, VDPAD_ESWITCH_SWITCHDEV);
    assert_int_equal(rows[0].inline_mode, 0);
    assert_int_equal(rows[0].encap_mode, 1);
    assert_int_equal(rows[1].mode, VDPAD_ESWITCH_LEGACY);
}

static void
test_info(void **state)
{
    struct vdpad_eswitch rows[8];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/devlink-info.nl", decode_info,
                                   rows, sizeof rows[0], 8),
                     4);
    assert_string_equal(rows[0].driver, "twin");
    assert_string_equal(rows[0].fw_version, "22.38.1002");
}

static const struct vdpad_dlport *
find_port(const struct vdpad_dlport *rows, size_t n, const char *ifname)
{
    size_t i = 0;

    while (i < n && strcmp(rows[i].ifname, ifname)) {
        i++;
    }
    assert_true(i < n);
    return &rows[i];
}

static void
test_port(void **state)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x77 };
    struct vdpad_dlport rows[8];
    const struct vdpad_dlport *rep, *uplink, *vf;
    size_t n = recorded_rows("linux-6.12/devlink-port.nl", decode_port, rows,
                             sizeof rows[0], 8);

    (void) state;
    assert_int_equal(n, 6);
    rep = find_port(rows, n, "pf0vf0");
    uplink = find_port(rows, n, "p0");
    vf = find_port(rows, n, "p0v0");
    assert_string_equal(rep->dev, "0001:08:00.0");
    assert_int_equal(rep->index, 1);
    assert_int_equal(rep->flavour, DEVLINK_PORT_FLAVOUR_PCI_VF);
    assert_int_equal(rep->controller, 0);
    assert_int_equal(rep->pf, 0);
    assert_int_equal(rep->vf, 0);
    assert_int_equal(rep->sf, -1);
    assert_false(rep->external);
    assert_true(rep->has_hw_addr);
    assert_memory_equal(rep->hw_addr, mac, 6);
    assert_true(rep->ifindex > 0);
    assert_int_equal(uplink->flavour, DEVLINK_PORT_FLAVOUR_PHYSICAL);
    assert_int_equal(uplink->vf, -1);
    assert_false(uplink->has_hw_addr);
    assert_int_equal(vf->flavour, DEVLINK_PORT_FLAVOUR_VIRTUAL);
}

static void
test_port_of_older_kernels(void **state)
{
    static const char file[] = "linux-6.12/devlink-port.nl";
    struct vdpad_dlport rows[8], older[8];
    size_t n = recorded_rows(file, decode_port, rows, sizeof rows[0], 8);

    (void) state;
    assert_int_equal(
        recorded_rows(file, decode_older_port, older, sizeof older[0], 8), n);
    assert_memory_equal(older, rows, n * sizeof rows[0]);
}

static void
test_event(void **state)
{
    unsigned int masks[32], all = 0;
    size_t n = recorded_rows("linux-6.12/devlink-event.nl", decode_event,
                             masks, sizeof masks[0], 32);

    (void) state;
    for (size_t i = 0; i < n; i++) {
        all |= masks[i];
    }
    assert_int_equal(all, 1u << VDPAD_ESWITCH | 1u << VDPAD_DLPORT);
}

static void
test_mangled(void **state)
{
    (void) state;
    recorded_mangle("linux-6.12/devlink-dev.nl", decode_dev,
                    sizeof(struct vdpad_eswitch));
    recorded_mangle("linux-6.12/devlink-eswitch.nl", decode_eswitch,
                    sizeof(struct vdpad_eswitch));
    recorded_mangle("linux-6.12/devlink-info.nl", decode_info,
                    sizeof(struct vdpad_eswitch));
    recorded_mangle("linux-6.12/devlink-port.nl", decode_port,
                    sizeof(struct vdpad_dlport));
    recorded_mangle("linux-6.12/devlink-event.nl", decode_event,
                    sizeof(unsigned int));
}

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
    int error = decode(nlmsg_data(header), (size_t) nlmsg_datalen(header),
                       row);

    nlmsg_free(msg);
    return error;
}

static void
put_version(struct nl_msg *msg, const char *name, const char *value)
{
    struct nlattr *nest = nla_nest_start(msg,
                                         DEVLINK_ATTR_INFO_VERSION_RUNNING);

    nla_put_string(msg, DEVLINK_ATTR_INFO_VERSION_NAME, name);
    nla_put_string(msg, DEVLINK_ATTR_INFO_VERSION_VALUE, value);
    nla_nest_end(msg, nest);
}

static void
test_made(void **state)
{
    static const char long_name[] = "a-bus-name-of-more-than-32-characters";
    struct vdpad_eswitch row = { .mode = 0 };
    struct vdpad_dlport port;
    struct nl_msg *msg;
    struct nlattr *nest;

    (void) state;
    /* "fw.version" wins over "fw", in either order. */
    msg = make(DEVLINK_CMD_INFO_GET);
    put_version(msg, "fw", "1");
    put_version(msg, "fw.version", "2");
    put_version(msg, "fw", "3");
    assert_int_equal(decode_made(msg, decode_info, &row), 0);
    assert_string_equal(row.fw_version, "2");

    /* A handle that does not fit is no PCI function's. */
    msg = make(DEVLINK_CMD_NEW);
    nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, long_name);
    nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, "x");
    assert_int_equal(decode_made(msg, decode_dev, &row), VDPAD_CODEC_SKIP);

    /* An InfiniBand function has a longer address: none for us.  Numbers that
     * are told as 0 are not "not told". */
    msg = make(DEVLINK_CMD_PORT_NEW);
    nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, "pci");
    nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, "0000:65:00.0");
    nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, 7);
    nla_put_u32(msg, DEVLINK_ATTR_PORT_PCI_SF_NUMBER, 0);
    nla_put_u8(msg, DEVLINK_ATTR_PORT_EXTERNAL, 1);
    nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
    nla_put(msg, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, 20,
            "01234567890123456789");
    nla_nest_end(msg, nest);
    assert_int_equal(decode_made(msg, decode_port, &port), 0);
    assert_false(port.has_hw_addr);
    assert_int_equal(port.flavour, -1);
    assert_int_equal(port.sf, 0);
    assert_true(port.external);
    assert_int_equal(port.ifindex, 0);

    /* No index. */
    msg = make(DEVLINK_CMD_PORT_NEW);
    nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, "pci");
    nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, "0000:65:00.0");
    assert_int_equal(decode_made(msg, decode_port, &port), -EBADMSG);
}

static void
test_encode(void **state)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
    struct nl_msg *msg = make(DEVLINK_CMD_PORT_SET);
    const void *attrs = genlmsg_attrdata(nlmsg_data(nlmsg_hdr(msg)), 0);
    const struct nlattr *nest;
    size_t len;

    (void) state;
    assert_int_equal(
        vdpad_devlink_encode_hw_addr(msg, "pci", "0000:65:00.0", 3, mac), 0);
    len = (size_t) nlmsg_datalen(nlmsg_hdr(msg)) - GENL_HDRLEN;
    assert_string_equal(recorded_find_attr(attrs, len, DEVLINK_ATTR_DEV_NAME,
                                           13),
                        "0000:65:00.0");
    nest = nla_find(attrs, (int) len, DEVLINK_ATTR_PORT_FUNCTION);
    assert_non_null(nest);
    /* The kernel insists on this flag. */
    assert_true(nest->nla_type & NLA_F_NESTED);
    assert_memory_equal(
        recorded_find_attr(nla_data(nest), (size_t) nla_len(nest),
                           DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, 6),
        mac, 6);
    nlmsg_free(msg);

    msg = make(DEVLINK_CMD_ESWITCH_SET);
    attrs = genlmsg_attrdata(nlmsg_data(nlmsg_hdr(msg)), 0);
    assert_int_equal(
        vdpad_devlink_encode_eswitch(msg, "pci", "0000:65:00.0", 1, -1, 1), 0);
    len = (size_t) nlmsg_datalen(nlmsg_hdr(msg)) - GENL_HDRLEN;
    assert_int_equal(*(const uint16_t *) recorded_find_attr(
                         attrs, len, DEVLINK_ATTR_ESWITCH_MODE, 2),
                     1);
    assert_int_equal(*(const uint8_t *) recorded_find_attr(
                         attrs, len, DEVLINK_ATTR_ESWITCH_ENCAP_MODE, 1),
                     1);
    assert_null(nla_find(attrs, (int) len, DEVLINK_ATTR_ESWITCH_INLINE_MODE));
    nlmsg_free(msg);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dev),
        cmocka_unit_test(test_eswitch),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_port_of_older_kernels),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
