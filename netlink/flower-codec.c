/* SPDX-License-Identifier: Apache-2.0 */
#include "flower-codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "uapi.h"

static const struct nla_policy policy[TCA_CHAIN + 1] = {
    [TCA_KIND] = VDPAD_POLICY_TEXT,
    [TCA_OPTIONS] = { .type = NLA_UNSPEC },
    [TCA_CHAIN] = VDPAD_POLICY_U32,
};

static const struct nla_policy flower_policy[TCA_FLOWER_IN_HW_COUNT + 1] = {
    [TCA_FLOWER_ACT] = VDPAD_POLICY_NEST,
    [TCA_FLOWER_FLAGS] = VDPAD_POLICY_U32,
    [TCA_FLOWER_IN_HW_COUNT] = VDPAD_POLICY_U32,
};

_Static_assert(VDPAD_TC_SKIP_HW == TCA_CLS_FLAGS_SKIP_HW, "the same bit");

#define ORDER(MEMBER)                              \
    do {                                           \
        if (a->MEMBER != b->MEMBER) {              \
            return a->MEMBER < b->MEMBER ? -1 : 1; \
        }                                          \
    } while (0)

int
vdpad_flow_pos_order(const struct vdpad_flow_pos *a,
                     const struct vdpad_flow_pos *b)
{
    int order;

    ORDER(ifindex);
    ORDER(block);
    ORDER(parent);
    ORDER(chain);
    ORDER(prio);
    ORDER(protocol);
    ORDER(handle);
    order = memcmp(a->ufid, b->ufid, sizeof a->ufid);
    return (order > 0) - (order < 0);
}

/* The message up to the options of flower, whose attributes come in
 * 'flower'. */
static int
parse(const void *payload, size_t len, struct vdpad_flow_pos *pos,
      struct nlattr **ret_options, struct nlattr *flower[])
{
    struct nlattr *tb[TCA_CHAIN + 1];
    char kind[VDPAD_WORD_SIZE];
    struct tcmsg header;
    int error = vdpad_attrs_parse_after(tb, TCA_CHAIN, payload, len,
                                        sizeof header, policy);

    if (error) {
        return error;
    }
    memcpy(&header, payload, sizeof header);
    vdpad_attr_text(tb[TCA_KIND], kind, sizeof kind);
    /* A dump has a message for each classifier too, with no handle. */
    if (strcmp(kind, "flower") || !header.tcm_handle || !tb[TCA_OPTIONS]) {
        return VDPAD_CODEC_SKIP;
    }
    memset(pos, 0, sizeof *pos);
    if (header.tcm_ifindex == (int) TCM_IFINDEX_MAGIC_BLOCK) {
        pos->block = header.tcm_block_index;
    } else {
        pos->ifindex = header.tcm_ifindex;
        pos->parent = header.tcm_parent;
    }
    pos->chain = vdpad_attr_u32(tb[TCA_CHAIN], 0);
    pos->prio = (uint16_t) (header.tcm_info >> 16);
    pos->protocol = ntohs((uint16_t) header.tcm_info);
    pos->handle = header.tcm_handle;
    *ret_options = tb[TCA_OPTIONS];
    return vdpad_attrs_parse_nested(flower, TCA_FLOWER_IN_HW_COUNT,
                                    tb[TCA_OPTIONS], flower_policy);
}

void
vdpad_flower_take_cookie(const struct nlattr *attr, const char *kind,
                         struct vdpad_cookie *cookie)
{
    if (attr && !cookie->len && strcmp(kind, "police") != 0
        && nla_len(attr) <= (int) sizeof cookie->bytes) {
        cookie->len = (uint8_t) nla_len(attr);
        memcpy(cookie->bytes, nla_data(attr), cookie->len);
    }
}

static void
find_cookie(const struct nlattr *actions, struct vdpad_cookie *cookie)
{
    const struct nlattr *attr;
    int left;

    nla_for_each_nested(attr, actions, left)
    {
        char kind[VDPAD_WORD_SIZE];

        vdpad_attr_text(nla_find(nla_data(attr), nla_len(attr), TCA_ACT_KIND),
                        kind, sizeof kind);
        vdpad_flower_take_cookie(nla_find(nla_data(attr), nla_len(attr),
                                          TCA_ACT_COOKIE),
                                 kind, cookie);
    }
}

int
vdpad_flower_decode_id(const void *payload, size_t len,
                       struct vdpad_flower_id *id)
{
    struct nlattr *flower[TCA_FLOWER_IN_HW_COUNT + 1], *options;
    int error;

    memset(id, 0, sizeof *id);
    error = parse(payload, len, &id->pos, &options, flower);
    if (error) {
        return error;
    }
    id->flags = vdpad_attr_u32(flower[TCA_FLOWER_FLAGS], 0);
    if (flower[TCA_FLOWER_ACT]) {
        const struct nlattr *actions = flower[TCA_FLOWER_ACT];

        if (!vdpad_attrs_are_sound(nla_data(actions),
                                   (size_t) nla_len(actions))) {
            return -EBADMSG;
        }
        find_cookie(actions, &id->cookie);
    }
    return 0;
}

/* struct tcf_t is in ticks of 10 ms whatever the kernel's own. */
void
vdpad_flower_take_times(const struct nlattr *options, const char *kind,
                        struct vdpad_flower_actions *a)
{
    bool is_shared = vdpad_tc_is_shared(kind, strlen(kind) + 1);
    int type = is_shared                                      ? TCA_POLICE_TM
               : !strcmp(kind, "ct") || !strcmp(kind, "csum") ? 2
                                                              : 1;
    const struct nlattr *attr = nla_find(nla_data(options), nla_len(options),
                                         type);
    struct tcf_t times;
    int64_t age, used;

    if (!attr || (size_t) nla_len(attr) < sizeof times
        || (is_shared && a->has_own_times)) {
        return;
    }
    if (!is_shared && !a->has_own_times) {
        a->has_own_times = true;
        a->used_ms = a->age_ms = -1;
    }
    memcpy(&times, nla_data(attr), sizeof times);
    age = (int64_t) (times.install & INT64_MAX >> 8) * 10;
    used = (int64_t) (times.lastuse & INT64_MAX >> 8) * 10;
    a->age_ms = age > a->age_ms ? age : a->age_ms;
    a->used_ms = a->used_ms < 0 || used < a->used_ms ? used : a->used_ms;
}

static void
in_port_name(const struct vdpad_flow_pos *pos,
             const struct vdpad_netdev_names *names, char name[32])
{
    if (pos->block) {
        (void) snprintf(name, 32, "block %u", pos->block);
    } else {
        vdpad_netdev_name(names, pos->ifindex, name);
    }
}

static void
take_actions(const struct vdpad_flower_actions *a,
             struct vdpad_flow_detail *detail)
{
    const struct vdpad_tc_counters *all = &a->stats.all, *hw = &a->stats.hw;
    bool is_used = all->packets != 0;

    detail->hw_packets = hw->packets;
    detail->hw_bytes = hw->bytes;
    /* The kernel reads the two sums one after the other. */
    detail->sw_packets = all->packets > hw->packets
                             ? all->packets - hw->packets
                             : 0;
    detail->sw_bytes = all->bytes > hw->bytes ? all->bytes - hw->bytes : 0;
    detail->used_ms = is_used ? a->used_ms : -1;
    detail->age_ms = a->age_ms;
    detail->uses |= a->uses;
    memcpy(detail->outputs, a->outputs, sizeof detail->outputs);
    if (a->cookie.len == VDPAD_OVS_COOKIE_SIZE) {
        detail->has_ufid = true;
        memcpy(detail->ufid, a->cookie.bytes, sizeof detail->ufid);
    }
}

int
vdpad_flower_decode(const void *payload, size_t len,
                    const struct vdpad_netdev_names *names,
                    struct vdpad_flow_detail *detail)
{
    struct nlattr *flower[TCA_FLOWER_IN_HW_COUNT + 1], *options;
    struct vdpad_flower_actions a = { .names = names };
    struct vdpad_flow_match match;
    struct vdpad_ftext text;
    int error;

    memset(detail, 0, sizeof *detail);
    error = parse(payload, len, &detail->pos, &options, flower);
    if (!error) {
        error = vdpad_flower_decode_match(options, detail->pos.protocol,
                                          &match);
    }
    if (error) {
        return error;
    }
    detail->ifindex = detail->pos.ifindex;
    detail->tc_flags = vdpad_attr_u32(flower[TCA_FLOWER_FLAGS], 0);
    detail->in_hw_count = vdpad_attr_u32(flower[TCA_FLOWER_IN_HW_COUNT], 0);
    detail->where = detail->tc_flags & TCA_CLS_FLAGS_IN_HW ? VDPAD_FLOW_IN_HW
                                                           : VDPAD_FLOW_IN_TC;
    detail->used_ms = detail->age_ms = -1;

    match.value.recirc_id = detail->pos.chain;
    match.mask.recirc_id = UINT32_MAX;
    in_port_name(&detail->pos, names, match.in_port);
    detail->uses = vdpad_match_uses(&match);
    vdpad_ftext_begin(&text, detail->match, sizeof detail->match);
    vdpad_match_text(&text, &match);
    vdpad_ftext_end(&text);

    if (flower[TCA_FLOWER_ACT]) {
        vdpad_ftext_begin(&text, detail->actions, sizeof detail->actions);
        a.text = &text;
        error = vdpad_flower_decode_actions(flower[TCA_FLOWER_ACT], &a);
        vdpad_ftext_end(&text);
        if (!error) {
            take_actions(&a, detail);
        }
    }
    if (!error && !detail->actions[0]) {
        (void) snprintf(detail->actions, sizeof detail->actions, "drop");
    }
    return error;
}
