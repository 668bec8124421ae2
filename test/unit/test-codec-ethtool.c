/* SPDX-License-Identifier: Apache-2.0 */
#include "test/data/recorded.h"

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "netlink/ethtool-codec.h"
#include "netlink/uapi.h"

static int
decode_features(const void *payload, size_t len, void *row)
{
    return vdpad_ethtool_decode_features(payload, len, row);
}

static void
test_features(void **state)
{
    struct vdpad_feature rows[16];
    size_t n = recorded_rows("linux-6.12/ethtool-features.nl", decode_features,
                             rows, sizeof rows[0], 16);

    (void) state;
    /* Of ten netdevs, those of the card. */
    assert_int_equal(n, 4);
    assert_string_equal(rows[0].name, "p0");
    assert_int_equal(rows[0].ifindex, 3);
    assert_true(rows[0].supported && rows[0].active);
    assert_string_equal(rows[1].name, "p1");
    assert_true(rows[1].supported && !rows[1].active);
    assert_string_equal(rows[2].name, "pf0vf0");
    assert_true(rows[2].supported && rows[2].active);

    assert_int_equal(recorded_rows("linux-6.18/ethtool-features.nl",
                                   decode_features, rows, sizeof rows[0], 16),
                     0);
}

static void
test_mangled(void **state)
{
    (void) state;
    recorded_mangle("linux-6.18/ethtool-features.nl", decode_features,
                    sizeof(struct vdpad_feature));
}

static void
test_made(void **state)
{
    struct vdpad_feature row;
    struct nlattr *header, *set;
    struct nl_msg *msg = nlmsg_alloc();
    const struct nlmsghdr *nlh = nlmsg_hdr(msg);
    uint32_t words[2] = { ~0u, ~0u };

    (void) state;
    /* Compact bit sets were not asked for. */
    assert_non_null(
        genlmsg_put(msg, 0, 0, 0x23, 0, 0, ETHTOOL_MSG_FEATURES_GET_REPLY, 1));
    header = nla_nest_start(msg, ETHTOOL_A_FEATURES_HEADER);
    nla_put_u32(msg, ETHTOOL_A_HEADER_DEV_INDEX, 5);
    nla_nest_end(msg, header);
    set = nla_nest_start(msg, ETHTOOL_A_FEATURES_HW);
    nla_put_u32(msg, ETHTOOL_A_BITSET_SIZE, 64);
    nla_put(msg, ETHTOOL_A_BITSET_VALUE, sizeof words, words);
    nla_nest_end(msg, set);
    assert_int_equal(decode_features(nlmsg_data(nlh),
                                     (size_t) nlmsg_datalen(nlh), &row),
                     VDPAD_CODEC_SKIP);
    nlmsg_free(msg);

    /* No device. */
    msg = nlmsg_alloc();
    nlh = nlmsg_hdr(msg);
    assert_non_null(
        genlmsg_put(msg, 0, 0, 0x23, 0, 0, ETHTOOL_MSG_FEATURES_GET_REPLY, 1));
    assert_int_equal(decode_features(nlmsg_data(nlh),
                                     (size_t) nlmsg_datalen(nlh), &row),
                     -EBADMSG);
    nlmsg_free(msg);
}

static void
check_set(bool on)
{
    struct nl_msg *msg = nlmsg_alloc();
    const struct nlattr *wanted, *bits, *bit;
    const void *attrs;
    size_t len;

    assert_non_null(
        genlmsg_put(msg, 0, 0, 0x23, 0, 0, ETHTOOL_MSG_FEATURES_SET, 1));
    attrs = genlmsg_attrdata(nlmsg_data(nlmsg_hdr(msg)), 0);
    assert_int_equal(vdpad_ethtool_encode_set(msg, 7, on), 0);
    len = (size_t) nlmsg_datalen(nlmsg_hdr(msg)) - GENL_HDRLEN;
    wanted = nla_find(attrs, (int) len, ETHTOOL_A_FEATURES_WANTED);
    assert_non_null(wanted);
    bits = nla_find(nla_data(wanted), nla_len(wanted), ETHTOOL_A_BITSET_BITS);
    assert_non_null(bits);
    bit = nla_find(nla_data(bits), nla_len(bits), ETHTOOL_A_BITSET_BITS_BIT);
    assert_non_null(bit);
    assert_string_equal(recorded_find_attr(nla_data(bit),
                                           (size_t) nla_len(bit),
                                           ETHTOOL_A_BITSET_BIT_NAME, 14),
                        "hw-tc-offload");
    assert_true(
        !nla_find(nla_data(bit), nla_len(bit), ETHTOOL_A_BITSET_BIT_VALUE)
        == !on);
    nlmsg_free(msg);
}

static void
test_encode(void **state)
{
    (void) state;
    check_set(true);
    check_set(false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
