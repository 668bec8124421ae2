/* SPDX-License-Identifier: Apache-2.0 */
#include "tc-codec.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "uapi.h"

static const struct nla_policy policy[TCA_MAX + 1] = {
    [TCA_KIND] = VDPAD_POLICY_TEXT,
    [TCA_OPTIONS] = { .type = NLA_UNSPEC },
    [TCA_INGRESS_BLOCK] = VDPAD_POLICY_U32,
    [TCA_EGRESS_BLOCK] = VDPAD_POLICY_U32,
};

static const struct nla_policy flower_policy[TCA_FLOWER_FLAGS + 1] = {
    [TCA_FLOWER_ACT] = VDPAD_POLICY_NEST,
    [TCA_FLOWER_FLAGS] = VDPAD_POLICY_U32,
};

static const struct nla_policy act_policy[TCA_ACT_STATS + 1] = {
    [TCA_ACT_STATS] = VDPAD_POLICY_NEST,
};

static int
parse(struct nlattr *tb[], const void *payload, size_t len,
      struct tcmsg *header, char kind[VDPAD_WORD_SIZE])
{
    int error = vdpad_attrs_parse_after(tb, TCA_MAX, payload, len,
                                        sizeof *header, policy);

    if (!error) {
        memcpy(header, payload, sizeof *header);
        vdpad_attr_text(tb[TCA_KIND], kind, VDPAD_WORD_SIZE);
    }
    return error;
}

int
vdpad_tc_decode_qdisc(const void *payload, size_t len, struct vdpad_qdisc *row)
{
    struct nlattr *tb[TCA_MAX + 1];
    struct tcmsg header;
    char kind[VDPAD_WORD_SIZE];
    bool clsact;
    int error = parse(tb, payload, len, &header, kind);

    if (error) {
        return error;
    }
    clsact = !strcmp(kind, "clsact");
    if (!clsact && strcmp(kind, "ingress")) {
        return VDPAD_CODEC_SKIP;
    }
    if (header.tcm_ifindex <= 0) {
        return -EBADMSG;
    }
    memset(row, 0, sizeof *row);
    row->ifindex = header.tcm_ifindex;
    row->clsact = clsact;
    row->ingress_block = vdpad_attr_u32(tb[TCA_INGRESS_BLOCK], 0);
    row->egress_block = vdpad_attr_u32(tb[TCA_EGRESS_BLOCK], 0);
    return 0;
}

struct counters {
    uint64_t packets, bytes;
};

static void
counters_max(struct counters *into, const struct counters *from)
{
    if (from->packets > into->packets) {
        *into = *from;
    }
}

/* The order of attributes matters: 64-bit packet counts follow the group that
 * they belong to, both under one number (gnet_stats_copy_basic() and
 * gnet_stats_copy_basic_hw() of 5.5 to 6.12). */
static int
decode_stats(const struct nlattr *nest, struct counters *all,
             struct counters *hw)
{
    struct counters group[2] = { { 0, 0 }, { 0, 0 } };
    struct counters *current = NULL;
    const struct nlattr *attr;
    int left;

    if (!vdpad_attrs_are_sound(nla_data(nest), (size_t) nla_len(nest))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, nest, left)
    {
        int type = nla_type(attr);

        if (type == TCA_STATS_BASIC || type == TCA_STATS_BASIC_HW) {
            struct gnet_stats_basic basic;
            size_t need = offsetof(struct gnet_stats_basic, packets)
                          + sizeof basic.packets;

            if ((size_t) nla_len(attr) < need) {
                return -EBADMSG;
            }
            memset(&basic, 0, sizeof basic);
            memcpy(&basic, nla_data(attr), need);
            current = &group[type == TCA_STATS_BASIC_HW];
            current->packets = basic.packets;
            current->bytes = basic.bytes;
        } else if (type == TCA_STATS_PKT64) {
            if (nla_len(attr) != 8) {
                return -EBADMSG;
            }
            if (current) {
                current->packets = nla_get_u64(attr);
            }
        }
    }
    counters_max(all, &group[0]);
    counters_max(hw, &group[1]);
    return 0;
}

static int
decode_actions(const struct nlattr *nest, struct vdpad_filter *filter)
{
    struct counters all = { 0, 0 }, hw = { 0, 0 };
    const struct nlattr *attr;
    int left;

    if (!vdpad_attrs_are_sound(nla_data(nest), (size_t) nla_len(nest))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, nest, left)
    {
        struct nlattr *tb[TCA_ACT_STATS + 1];

        if (vdpad_attrs_parse_nested(tb, TCA_ACT_STATS, attr, act_policy)
            || (tb[TCA_ACT_STATS]
                && decode_stats(tb[TCA_ACT_STATS], &all, &hw))) {
            return -EBADMSG;
        }
    }
    filter->packets = all.packets;
    filter->bytes = all.bytes;
    filter->hw_packets = hw.packets;
    filter->hw_bytes = hw.bytes;
    return 0;
}

int
vdpad_tc_decode_filter(const void *payload, size_t len,
                       struct vdpad_filter *filter)
{
    struct nlattr *tb[TCA_MAX + 1], *flower[TCA_FLOWER_FLAGS + 1];
    struct tcmsg header;
    char kind[VDPAD_WORD_SIZE];
    int error = parse(tb, payload, len, &header, kind);

    if (error) {
        return error;
    }
    /* A dump has a message for each classifier too, with no handle. */
    if (strcmp(kind, "flower") || !header.tcm_handle || !tb[TCA_OPTIONS]) {
        return VDPAD_CODEC_SKIP;
    }
    error = vdpad_attrs_parse_nested(flower, TCA_FLOWER_FLAGS, tb[TCA_OPTIONS],
                                     flower_policy);
    if (error) {
        return error;
    }
    memset(filter, 0, sizeof *filter);
    filter->in_hw = vdpad_attr_u32(flower[TCA_FLOWER_FLAGS], 0)
                    & TCA_CLS_FLAGS_IN_HW;
    return flower[TCA_FLOWER_ACT]
               ? decode_actions(flower[TCA_FLOWER_ACT], filter)
               : 0;
}

static int
put_header(struct nl_msg *msg, const struct tcmsg *header)
{
    return nlmsg_append(msg, (void *) (uintptr_t) header, sizeof *header,
                        NLMSG_ALIGNTO)
               ? -EMSGSIZE
               : 0;
}

int
vdpad_tc_encode_qdisc_dump(struct nl_msg *msg)
{
    return put_header(msg, &(struct tcmsg){ .tcm_family = AF_UNSPEC });
}

int
vdpad_tc_encode_qdisc_del(struct nl_msg *msg, int32_t ifindex,
                          const char *kind)
{
    /* The kind makes the kernel refuse when it is another qdisc. */
    int error = put_header(msg, &(struct tcmsg){
                                    .tcm_family = AF_UNSPEC,
                                    .tcm_ifindex = ifindex,
                                    .tcm_parent = TC_H_INGRESS,
                                    .tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
                                });

    return error ? error : nla_put_string(msg, TCA_KIND, kind) ? -EMSGSIZE : 0;
}

int
vdpad_tc_encode_filter_dump(struct nl_msg *msg, int32_t ifindex,
                            uint32_t block)
{
    struct nla_bitfield32 flags = {
        .value = TCA_DUMP_FLAGS_TERSE,
        .selector = TCA_DUMP_FLAGS_TERSE,
    };
    struct tcmsg header = { .tcm_family = AF_UNSPEC };
    int error;

    if (ifindex) {
        header.tcm_ifindex = ifindex;
        header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    } else {
        header.tcm_ifindex = (int) TCM_IFINDEX_MAGIC_BLOCK;
        header.tcm_block_index = block;
    }
    error = put_header(msg, &header);
    return error                                                ? error
           : nla_put(msg, TCA_DUMP_FLAGS, sizeof flags, &flags) ? -EMSGSIZE
                                                                : 0;
}
