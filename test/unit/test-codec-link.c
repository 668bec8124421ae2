/* SPDX-License-Identifier: Apache-2.0 */
#include "test/data/recorded.h"

#include <net/if.h>

#include <netlink/msg.h>

#include "netlink/link-codec.h"
#include "netlink/uapi.h"

static int
decode_link(const void *payload, size_t len, void *row)
{
    return vdpad_link_decode(payload, len, row);
}

static int
decode_event(const void *payload, size_t len, void *classes)
{
    return vdpad_link_decode_event(RTM_NEWLINK, payload, len, classes);
}

static void
test_links(void **state)
{
    static const uint8_t mac[6] = { 0xb8, 0x59, 0x9f, 0x03, 0x7e, 0xf0 };
    static const uint8_t id[] = { 0xb8, 0x59, 0x9f, 0x03, 0, 0x7e, 0xf2, 0 };
    struct vdpad_link rows[16];
    size_t n = recorded_rows("linux-6.12/link.nl", decode_link, rows,
                             sizeof rows[0], 16);

    (void) state;
    assert_int_equal(n, 10);
    assert_string_equal(rows[0].name, "lo");
    assert_int_equal(rows[0].mtu, 65536);
    assert_string_equal(rows[2].name, "p0");
    assert_int_equal(rows[2].ifindex, 3);
    assert_int_equal(rows[2].mtu, 1500);
    assert_true(rows[2].flags & IFF_UP);
    assert_memory_equal(rows[2].mac, mac, 6);
    assert_int_equal(rows[2].switch_id_len, sizeof id);
    assert_memory_equal(rows[2].switch_id, id, sizeof id);
    assert_string_equal(rows[2].port_name, "p0");
    assert_string_equal(rows[2].parent_bus, "pci");
    assert_string_equal(rows[2].parent_dev, "0001:08:00.0");
    assert_int_equal(rows[2].master, 0);
    assert_string_equal(rows[5].name, "pf0vf0");
    assert_string_equal(rows[5].port_name, "pf0vf0");
    assert_true(rows[5].carrier);
    assert_string_equal(rows[9].parent_bus, "virtio");
}

static void
test_kind_and_counters(void **state)
{
    struct vdpad_link rows[8];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.18/link.nl", decode_link, rows,
                                   sizeof rows[0], 8),
                     4);
    assert_string_equal(rows[1].kind, "ifb");
    assert_string_equal(rows[3].name, "eth0");
    assert_true(rows[3].rx_packets > 0);
    assert_true(rows[3].rx_bytes > rows[3].rx_packets);
    assert_string_equal(rows[3].kind, "");
}

static void
test_events(void **state)
{
    unsigned int masks[32];
    size_t n = recorded_rows("linux-6.12/link-event.nl", decode_event, masks,
                             sizeof masks[0], 32);
    unsigned int all = 0;

    (void) state;
    for (size_t i = 0; i < n; i++) {
        assert_true(masks[i] & 1u << VDPAD_LINK);
        all |= masks[i];
    }
    /* New devices and a feature that was switched. */
    assert_true(all & 1u << VDPAD_FEATURE);
}

static struct nl_msg *
make(uint8_t family, unsigned int change)
{
    struct ifinfomsg header = {
        .ifi_family = family,
        .ifi_index = 4,
        .ifi_change = change,
    };
    struct nl_msg *msg = nlmsg_alloc();

    assert_int_equal(nlmsg_append(msg, &header, sizeof header, 4), 0);
    return msg;
}

/* A VLAN's device says on what it is, in which namespace if in another one. */
static void
test_lower(void **state)
{
    struct vdpad_link row;

    (void) state;
    for (int is_away = 0; is_away < 2; is_away++) {
        struct nl_msg *msg = make(AF_UNSPEC, 0);
        const struct nlmsghdr *header = nlmsg_hdr(msg);

        nla_put_string(msg, IFLA_IFNAME, "p0.7");
        nla_put_u32(msg, IFLA_LINK, 3);
        if (is_away) {
            nla_put_s32(msg, IFLA_LINK_NETNSID, 0);
        }
        assert_int_equal(decode_link(nlmsg_data(header),
                                     (size_t) nlmsg_datalen(header), &row),
                         0);
        assert_int_equal(row.lower, is_away ? 0 : 3);
        nlmsg_free(msg);
    }
}

static unsigned int
event_classes(struct nl_msg *msg, uint16_t type)
{
    const struct nlmsghdr *header = nlmsg_hdr(msg);
    unsigned int classes = 0;

    assert_int_equal(vdpad_link_decode_event(type, nlmsg_data(header),
                                             (size_t) nlmsg_datalen(header),
                                             &classes),
                     0);
    nlmsg_free(msg);
    return classes;
}

static void
test_made_events(void **state)
{
    const unsigned int link = 1u << VDPAD_LINK, feature = 1u << VDPAD_FEATURE;
    struct nl_msg *msg;

    (void) state;
    assert_int_equal(event_classes(make(AF_UNSPEC, IFF_UP), RTM_NEWLINK),
                     link);
    assert_int_equal(event_classes(make(AF_UNSPEC, ~0u), RTM_NEWLINK),
                     link | feature);
    msg = make(AF_UNSPEC, 0);
    nla_put_u32(msg, IFLA_EVENT, IFLA_EVENT_FEATURES);
    assert_int_equal(event_classes(msg, RTM_NEWLINK), link | feature);
    assert_int_equal(event_classes(make(AF_UNSPEC, 0), RTM_DELLINK),
                     link | feature | 1u << VDPAD_QDISC | 1u << VDPAD_FLOW);
    assert_int_equal(event_classes(make(AF_BRIDGE, 0), RTM_NEWLINK), 0);
    assert_int_equal(event_classes(make(AF_UNSPEC, 0), RTM_NEWADDR), 0);
}

static void
test_mangled(void **state)
{
    (void) state;
    recorded_mangle("linux-6.18/link.nl", decode_link,
                    sizeof(struct vdpad_link));
    recorded_mangle("linux-6.12/link-event.nl", decode_event,
                    sizeof(unsigned int));
}

static const struct ifinfomsg *
header_of(struct nl_msg *msg)
{
    return nlmsg_data(nlmsg_hdr(msg));
}

static void
test_encode(void **state)
{
    struct nl_msg *msg = nlmsg_alloc();
    const struct nlattr *attrs;

    (void) state;
    assert_int_equal(vdpad_link_encode_up(msg, 4, true), 0);
    assert_int_equal(header_of(msg)->ifi_index, 4);
    assert_int_equal(header_of(msg)->ifi_flags, IFF_UP);
    assert_int_equal(header_of(msg)->ifi_change, IFF_UP);
    nlmsg_free(msg);

    msg = nlmsg_alloc();
    assert_int_equal(vdpad_link_encode_up(msg, 4, false), 0);
    assert_int_equal(header_of(msg)->ifi_flags, 0);
    assert_int_equal(header_of(msg)->ifi_change, IFF_UP);
    nlmsg_free(msg);

    msg = nlmsg_alloc();
    assert_int_equal(vdpad_link_encode_mtu(msg, 4, 9000), 0);
    attrs = nlmsg_attrdata(nlmsg_hdr(msg), sizeof(struct ifinfomsg));
    assert_int_equal(
        *(const uint32_t *) recorded_find_attr(attrs, 8, IFLA_MTU, 4), 9000);
    nlmsg_free(msg);

    msg = nlmsg_alloc();
    assert_int_equal(vdpad_link_encode_name(msg, 4, "rep0"), 0);
    attrs = nlmsg_attrdata(nlmsg_hdr(msg), sizeof(struct ifinfomsg));
    assert_string_equal(recorded_find_attr(attrs, 12, IFLA_IFNAME, 5), "rep0");
    nlmsg_free(msg);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_kind_and_counters),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_lower),
        cmocka_unit_test(test_made_events),
        cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
