/* SPDX-License-Identifier: Apache-2.0 */
#include "ethtool-codec.h"

#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "uapi.h"

#define FEATURE_NAME "hw-tc-offload"

static const struct nla_policy features_policy[ETHTOOL_A_FEATURES_MAX + 1] = {
    [ETHTOOL_A_FEATURES_HEADER] = VDPAD_POLICY_NEST,
    [ETHTOOL_A_FEATURES_HW] = VDPAD_POLICY_NEST,
    [ETHTOOL_A_FEATURES_WANTED] = VDPAD_POLICY_NEST,
    [ETHTOOL_A_FEATURES_ACTIVE] = VDPAD_POLICY_NEST,
};

static const struct nla_policy header_policy[ETHTOOL_A_HEADER_MAX + 1] = {
    [ETHTOOL_A_HEADER_DEV_INDEX] = VDPAD_POLICY_U32,
    [ETHTOOL_A_HEADER_DEV_NAME] = VDPAD_POLICY_TEXT,
};

static const struct nla_policy bitset_policy[ETHTOOL_A_BITSET_MAX + 1] = {
    [ETHTOOL_A_BITSET_NOMASK] = { .type = NLA_FLAG },
    [ETHTOOL_A_BITSET_BITS] = VDPAD_POLICY_NEST,
};

static const struct nla_policy bit_policy[ETHTOOL_A_BITSET_BIT_MAX + 1] = {
    [ETHTOOL_A_BITSET_BIT_NAME] = VDPAD_POLICY_TEXT,
    [ETHTOOL_A_BITSET_BIT_VALUE] = { .type = NLA_FLAG },
};

/* Sets '*is_listed' to whether our feature is in 'bitset' (NULL: no), and
 * '*is_set' to whether it is set there.  In a set without a mask each bit that
 * is listed is set; in one with a mask it has a flag.  Returns 0,
 * VDPAD_CODEC_SKIP (compact) or -EBADMSG. */
static int
look_up_bit(const struct nlattr *bitset, bool *is_listed, bool *is_set)
{
    struct nlattr *tb[ETHTOOL_A_BITSET_MAX + 1];
    const struct nlattr *attr;
    int left;

    *is_listed = *is_set = false;
    if (!bitset) {
        return 0;
    }
    if (vdpad_attrs_parse_nested(tb, ETHTOOL_A_BITSET_MAX, bitset,
                                 bitset_policy)) {
        return -EBADMSG;
    }
    if (!tb[ETHTOOL_A_BITSET_BITS]) {
        return tb[ETHTOOL_A_BITSET_VALUE] ? VDPAD_CODEC_SKIP : 0;
    }
    if (!vdpad_attrs_are_sound(nla_data(tb[ETHTOOL_A_BITSET_BITS]),
                               (size_t) nla_len(tb[ETHTOOL_A_BITSET_BITS]))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, tb[ETHTOOL_A_BITSET_BITS], left)
    {
        struct nlattr *bit[ETHTOOL_A_BITSET_BIT_MAX + 1];
        char name[sizeof FEATURE_NAME + 1];

        if (vdpad_attrs_parse_nested(bit, ETHTOOL_A_BITSET_BIT_MAX, attr,
                                     bit_policy)) {
            return -EBADMSG;
        }
        vdpad_attr_text(bit[ETHTOOL_A_BITSET_BIT_NAME], name, sizeof name);
        if (!strcmp(name, FEATURE_NAME)) {
            *is_listed = true;
            *is_set = tb[ETHTOOL_A_BITSET_NOMASK]
                      || bit[ETHTOOL_A_BITSET_BIT_VALUE];
        }
    }
    return 0;
}

static int
find_bit(const struct nlattr *bitset, bool *is_set)
{
    bool is_listed;

    return look_up_bit(bitset, &is_listed, is_set);
}

int
vdpad_ethtool_decode_features(const void *payload, size_t len,
                              struct vdpad_feature *row)
{
    struct nlattr *tb[ETHTOOL_A_FEATURES_MAX + 1];
    struct nlattr *device[ETHTOOL_A_HEADER_MAX + 1];
    uint32_t ifindex;
    int error;

    error = vdpad_attrs_parse_genl(tb, ETHTOOL_A_FEATURES_MAX, payload, len,
                                   features_policy,
                                   ETHTOOL_MSG_FEATURES_GET_REPLY);
    if (error) {
        return error;
    }
    if (!tb[ETHTOOL_A_FEATURES_HEADER]
        || vdpad_attrs_parse_nested(device, ETHTOOL_A_HEADER_MAX,
                                    tb[ETHTOOL_A_FEATURES_HEADER],
                                    header_policy)) {
        return -EBADMSG;
    }
    ifindex = vdpad_attr_u32(device[ETHTOOL_A_HEADER_DEV_INDEX], 0);
    if (!ifindex || ifindex > INT32_MAX) {
        return -EBADMSG;
    }
    memset(row, 0, sizeof *row);
    row->ifindex = (int32_t) ifindex;
    vdpad_attr_text(device[ETHTOOL_A_HEADER_DEV_NAME], row->name,
                    sizeof row->name);
    error = find_bit(tb[ETHTOOL_A_FEATURES_HW], &row->supported);
    if (!error) {
        error = find_bit(tb[ETHTOOL_A_FEATURES_ACTIVE], &row->active);
    }
    if (!error && !row->supported && !row->active) {
        error = VDPAD_CODEC_SKIP;
    }
    return error;
}

int
vdpad_ethtool_decode_set(const void *payload, size_t len, bool *is_refused)
{
    struct nlattr *tb[ETHTOOL_A_FEATURES_MAX + 1];
    bool value;
    int error = vdpad_attrs_parse_genl(tb, ETHTOOL_A_FEATURES_MAX, payload,
                                       len, features_policy,
                                       ETHTOOL_MSG_FEATURES_SET_REPLY);

    return error ? error
                 : look_up_bit(tb[ETHTOOL_A_FEATURES_WANTED], is_refused,
                               &value);
}

int
vdpad_ethtool_encode_set(struct nl_msg *msg, int32_t ifindex, bool on)
{
    struct nlattr *header, *wanted, *bits, *bit;

    header = nla_nest_start(msg, ETHTOOL_A_FEATURES_HEADER);
    if (!header
        || nla_put_u32(msg, ETHTOOL_A_HEADER_DEV_INDEX, (uint32_t) ifindex)) {
        return -EMSGSIZE;
    }
    nla_nest_end(msg, header);

    wanted = nla_nest_start(msg, ETHTOOL_A_FEATURES_WANTED);
    bits = wanted ? nla_nest_start(msg, ETHTOOL_A_BITSET_BITS) : NULL;
    bit = bits ? nla_nest_start(msg, ETHTOOL_A_BITSET_BITS_BIT) : NULL;
    if (!bit || nla_put_string(msg, ETHTOOL_A_BITSET_BIT_NAME, FEATURE_NAME)
        || (on && nla_put_flag(msg, ETHTOOL_A_BITSET_BIT_VALUE))) {
        return -EMSGSIZE;
    }
    nla_nest_end(msg, bit);
    nla_nest_end(msg, bits);
    nla_nest_end(msg, wanted);
    return 0;
}
