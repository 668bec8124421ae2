/* SPDX-License-Identifier: Apache-2.0 */
/* What the actions of a flower filter do and have counted (net/sched/
 * act_*.c). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tc_act/tc_ct.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_mpls.h>
#include <linux/tc_act/tc_sample.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/tc_act/tc_tunnel_key.h>
#include <linux/tc_act/tc_vlan.h>
#include <stdio.h>
#include <string.h>

#include "attrs.h"
#include "flower-codec.h"
#include "uapi.h"

/* Where Open vSwitch puts its meters among the police actions. */
#define METER_FIRST 0x10000000u
#define METER_LAST 0x1fffffffu

typedef int action_fn(const struct nlattr *options,
                      struct vdpad_flower_actions *a);

void
vdpad_netdev_name(const struct vdpad_netdev_names *names, int32_t ifindex,
                  char name[32])
{
    if (names && names->cb) {
        names->cb(names->aux, ifindex, name);
    } else {
        (void) snprintf(name, 32, "%d", ifindex);
    }
}

/* Adds an action to the text, if there is one. */
#define SAY(A, ...)                                  \
    do {                                             \
        if ((A)->text) {                             \
            vdpad_ftext_comma((A)->text);            \
            vdpad_ftext_add((A)->text, __VA_ARGS__); \
        }                                            \
    } while (0)

/* Copies the structure in 'attr', which may be longer in newer kernels. */
static int
take_struct(const struct nlattr *attr, void *to, size_t size)
{
    if (!attr || (size_t) nla_len(attr) < size) {
        return -EBADMSG;
    }
    memcpy(to, nla_data(attr), size);
    return 0;
}

static void
add_output(struct vdpad_flower_actions *a, int32_t ifindex)
{
    for (size_t i = 0; i < a->n_outputs; i++) {
        if (a->outputs[i] == ifindex) {
            return;
        }
    }
    a->uses |= a->n_outputs ? VDPAD_USE_MIRROR : 0;
    if (a->n_outputs < VDPAD_FLOW_OUTPUTS) {
        a->outputs[a->n_outputs++] = ifindex;
    }
}

static int
take_mirred(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    struct nlattr *tb[TCA_MIRRED_PARMS + 1];
    struct tc_mirred mirred;
    char name[32];

    if (vdpad_attrs_parse_nested(tb, TCA_MIRRED_PARMS, options, NULL)
        || take_struct(tb[TCA_MIRRED_PARMS], &mirred, sizeof mirred)) {
        return -EBADMSG;
    }
    vdpad_netdev_name(a->names, (int32_t) mirred.ifindex, name);
    SAY(a, "%s", name);
    add_output(a, (int32_t) mirred.ifindex);
    return 0;
}

static int
take_gact(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    struct nlattr *tb[TCA_GACT_PARMS + 1];
    struct tc_gact gact;

    if (vdpad_attrs_parse_nested(tb, TCA_GACT_PARMS, options, NULL)
        || take_struct(tb[TCA_GACT_PARMS], &gact, sizeof gact)) {
        return -EBADMSG;
    }
    if (((uint32_t) gact.action & ~(uint32_t) TC_ACT_EXT_VAL_MASK)
        == TC_ACT_GOTO_CHAIN) {
        a->uses |= VDPAD_USE_GOTO;
        SAY(a, "recirc(%#x)", (uint32_t) gact.action & TC_ACT_EXT_VAL_MASK);
    } else if (gact.action == TC_ACT_SHOT) {
        SAY(a, "drop");
    } else if (gact.action == TC_ACT_TRAP) {
        SAY(a, "trap");
    } else {
        SAY(a, "%s", gact.action == TC_ACT_OK ? "pass" : "continue");
    }
    return 0;
}

static int
take_tunnel(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    static const struct nla_policy policy[TCA_TUNNEL_KEY_ENC_TTL + 1] = {
        [TCA_TUNNEL_KEY_ENC_IPV4_SRC] = VDPAD_POLICY_U32,
        [TCA_TUNNEL_KEY_ENC_IPV4_DST] = VDPAD_POLICY_U32,
        [TCA_TUNNEL_KEY_ENC_IPV6_SRC] = VDPAD_POLICY_BYTES(16, 16),
        [TCA_TUNNEL_KEY_ENC_IPV6_DST] = VDPAD_POLICY_BYTES(16, 16),
        [TCA_TUNNEL_KEY_ENC_KEY_ID] = VDPAD_POLICY_U32,
        [TCA_TUNNEL_KEY_ENC_DST_PORT] = VDPAD_POLICY_U16,
        [TCA_TUNNEL_KEY_NO_CSUM] = VDPAD_POLICY_U8,
        [TCA_TUNNEL_KEY_ENC_OPTS] = VDPAD_POLICY_NEST,
        [TCA_TUNNEL_KEY_ENC_TOS] = VDPAD_POLICY_U8,
        [TCA_TUNNEL_KEY_ENC_TTL] = VDPAD_POLICY_U8,
    };
    struct nlattr *tb[TCA_TUNNEL_KEY_ENC_TTL + 1];
    struct tc_tunnel_key parms;
    struct vdpad_tunnel tunnel;
    const struct nlattr *src, *dst;

    if (vdpad_attrs_parse_nested(tb, TCA_TUNNEL_KEY_ENC_TTL, options, policy)
        || take_struct(tb[TCA_TUNNEL_KEY_PARMS], &parms, sizeof parms)) {
        return -EBADMSG;
    }
    if (parms.t_action != TCA_TUNNEL_KEY_ACT_SET) {
        /* Open vSwitch does not tell of it. */
        a->uses |= VDPAD_USE_TUNNEL_UNSET;
        return 0;
    }
    a->uses |= VDPAD_USE_TUNNEL_SET;
    memset(&tunnel, 0, sizeof tunnel);
    tunnel.is_ip6 = tb[TCA_TUNNEL_KEY_ENC_IPV6_DST] != NULL;
    src = tb[tunnel.is_ip6 ? TCA_TUNNEL_KEY_ENC_IPV6_SRC
                           : TCA_TUNNEL_KEY_ENC_IPV4_SRC];
    dst = tb[tunnel.is_ip6 ? TCA_TUNNEL_KEY_ENC_IPV6_DST
                           : TCA_TUNNEL_KEY_ENC_IPV4_DST];
    if (src) {
        memcpy(tunnel.src, nla_data(src), (size_t) nla_len(src));
    }
    if (dst) {
        memcpy(tunnel.dst, nla_data(dst), (size_t) nla_len(dst));
    }
    if (tb[TCA_TUNNEL_KEY_ENC_KEY_ID]) {
        tunnel.id = ntohl(nla_get_u32(tb[TCA_TUNNEL_KEY_ENC_KEY_ID]));
        tunnel.flags |= VDPAD_TUNNEL_KEY;
    }
    /* "No checksum" is told only by kernels from 4.19 on. */
    if (tb[TCA_TUNNEL_KEY_NO_CSUM]
        && !nla_get_u8(tb[TCA_TUNNEL_KEY_NO_CSUM])) {
        tunnel.flags |= VDPAD_TUNNEL_CSUM;
    }
    tunnel.tp_dst = ntohs(vdpad_attr_u16(tb[TCA_TUNNEL_KEY_ENC_DST_PORT], 0));
    tunnel.tos = vdpad_attr_u8(tb[TCA_TUNNEL_KEY_ENC_TOS], 0);
    tunnel.ttl = vdpad_attr_u8(tb[TCA_TUNNEL_KEY_ENC_TTL], 0);
    if (tb[TCA_TUNNEL_KEY_ENC_OPTS]
        && vdpad_flower_decode_options(tb[TCA_TUNNEL_KEY_ENC_OPTS], &tunnel)) {
        return -EBADMSG;
    }
    SAY(a, "set(");
    if (a->text) {
        vdpad_tunnel_text(a->text, &tunnel, NULL);
        vdpad_ftext_close(a->text);
    }
    return 0;
}

static int
take_vlan(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    static const struct nla_policy policy[TCA_VLAN_PUSH_VLAN_PRIORITY + 1] = {
        [TCA_VLAN_PUSH_VLAN_ID] = VDPAD_POLICY_U16,
        [TCA_VLAN_PUSH_VLAN_PROTOCOL] = VDPAD_POLICY_U16,
        [TCA_VLAN_PUSH_VLAN_PRIORITY] = VDPAD_POLICY_U8,
    };
    struct nlattr *tb[TCA_VLAN_PUSH_VLAN_PRIORITY + 1];
    struct tc_vlan vlan;
    unsigned int vid, pcp, tpid;

    if (vdpad_attrs_parse_nested(tb, TCA_VLAN_PUSH_VLAN_PRIORITY, options,
                                 policy)
        || take_struct(tb[TCA_VLAN_PARMS], &vlan, sizeof vlan)) {
        return -EBADMSG;
    }
    vid = vdpad_attr_u16(tb[TCA_VLAN_PUSH_VLAN_ID], 0);
    pcp = vdpad_attr_u8(tb[TCA_VLAN_PUSH_VLAN_PRIORITY], 0);
    tpid = ntohs(
        vdpad_attr_u16(tb[TCA_VLAN_PUSH_VLAN_PROTOCOL], htons(ETH_P_8021Q)));
    switch (vlan.v_action) {
    case TCA_VLAN_ACT_POP:
        a->uses |= VDPAD_USE_VLAN;
        SAY(a, "pop_vlan");
        break;
    case TCA_VLAN_ACT_PUSH:
    case TCA_VLAN_ACT_MODIFY:
        a->uses |= VDPAD_USE_VLAN;
        SAY(a, "%s(",
            vlan.v_action == TCA_VLAN_ACT_PUSH ? "push_vlan" : "set(vlan");
        if (a->text && tpid != ETH_P_8021Q) {
            vdpad_ftext_add(a->text, "tpid=%#06x,", tpid);
        }
        if (a->text) {
            vdpad_ftext_add(a->text, "vid=%u,pcp=%u)%s", vid, pcp,
                            vlan.v_action == TCA_VLAN_ACT_PUSH ? "" : ")");
        }
        break;
    default:
        a->uses |= VDPAD_USE_OTHER_ACTION;
        SAY(a, "%s",
            vlan.v_action == TCA_VLAN_ACT_POP_ETH ? "pop_eth" : "push_eth");
        break;
    }
    return 0;
}

static int
take_mpls(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    static const struct nla_policy policy[TCA_MPLS_BOS + 1] = {
        [TCA_MPLS_PROTO] = VDPAD_POLICY_U16,
        [TCA_MPLS_LABEL] = VDPAD_POLICY_U32,
        [TCA_MPLS_TC] = VDPAD_POLICY_U8,
        [TCA_MPLS_TTL] = VDPAD_POLICY_U8,
        [TCA_MPLS_BOS] = VDPAD_POLICY_U8,
    };
    struct nlattr *tb[TCA_MPLS_BOS + 1];
    struct tc_mpls mpls;
    unsigned int type;
    bool is_push;

    if (vdpad_attrs_parse_nested(tb, TCA_MPLS_BOS, options, policy)
        || take_struct(tb[TCA_MPLS_PARMS], &mpls, sizeof mpls)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_MPLS;
    type = ntohs(vdpad_attr_u16(tb[TCA_MPLS_PROTO], 0));
    is_push = mpls.m_action == TCA_MPLS_ACT_PUSH;
    switch (mpls.m_action) {
    case TCA_MPLS_ACT_POP:
        SAY(a, "pop_mpls(eth_type=%#06x)", type);
        break;
    case TCA_MPLS_ACT_DEC_TTL:
        SAY(a, "dec_mpls_ttl");
        break;
    default:
        SAY(a, "%s(label=%u,tc=%u,ttl=%u,bos=%u",
            is_push ? "push_mpls" : "set(mpls",
            vdpad_attr_u32(tb[TCA_MPLS_LABEL], 0),
            vdpad_attr_u8(tb[TCA_MPLS_TC], 0),
            vdpad_attr_u8(tb[TCA_MPLS_TTL], 0),
            vdpad_attr_u8(tb[TCA_MPLS_BOS], 0));
        if (a->text && is_push) {
            vdpad_ftext_add(a->text, ",eth_type=%#06x)", type);
        } else if (a->text) {
            vdpad_ftext_add(a->text, "))");
        }
        break;
    }
    return 0;
}

static int
take_police(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    struct nlattr *tb[TCA_POLICE_TBF + 1];
    struct tc_police police;

    if (vdpad_attrs_parse_nested(tb, TCA_POLICE_TBF, options, NULL)
        || take_struct(tb[TCA_POLICE_TBF], &police, sizeof police)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_POLICE;
    if (police.index >= METER_FIRST && police.index <= METER_LAST) {
        SAY(a, "meter(%u)", police.index - METER_FIRST);
    } else {
        SAY(a, "police(index=%u)", police.index);
    }
    return 0;
}

static void
add_nat(struct vdpad_ftext *text, struct nlattr *tb[], uint16_t action)
{
    const bool is_ip6 = tb[TCA_CT_NAT_IPV6_MIN] != NULL;
    const struct nlattr *min =
        tb[is_ip6 ? TCA_CT_NAT_IPV6_MIN : TCA_CT_NAT_IPV4_MIN];
    const struct nlattr *max =
        tb[is_ip6 ? TCA_CT_NAT_IPV6_MAX : TCA_CT_NAT_IPV4_MAX];
    unsigned int first = ntohs(vdpad_attr_u16(tb[TCA_CT_NAT_PORT_MIN], 0));
    unsigned int last = ntohs(vdpad_attr_u16(tb[TCA_CT_NAT_PORT_MAX], 0));
    char address[INET6_ADDRSTRLEN];
    int family = is_ip6 ? AF_INET6 : AF_INET;

    vdpad_ftext_add(text, "nat");
    if (!(action & (TCA_CT_ACT_NAT_SRC | TCA_CT_ACT_NAT_DST))) {
        return;
    }
    vdpad_ftext_add(text, action & TCA_CT_ACT_NAT_SRC ? "(src" : "(dst");
    if (min && inet_ntop(family, nla_data(min), address, sizeof address)) {
        vdpad_ftext_add(text, "=%s", address);
        if (max && memcmp(nla_data(min), nla_data(max), (size_t) nla_len(min))
            && inet_ntop(family, nla_data(max), address, sizeof address)) {
            vdpad_ftext_add(text, "-%s", address);
        }
    }
    if (first) {
        vdpad_ftext_add(text, ":%u", first);
    }
    if (last && last != first) {
        vdpad_ftext_add(text, "-%u", last);
    }
    vdpad_ftext_add(text, ")");
}

static int
take_ct(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    static const struct nla_policy policy[TCA_CT_NAT_PORT_MAX + 1] = {
        [TCA_CT_ACTION] = VDPAD_POLICY_U16,
        [TCA_CT_ZONE] = VDPAD_POLICY_U16,
        [TCA_CT_MARK] = VDPAD_POLICY_U32,
        [TCA_CT_MARK_MASK] = VDPAD_POLICY_U32,
        [TCA_CT_LABELS] = VDPAD_POLICY_BYTES(16, 16),
        [TCA_CT_LABELS_MASK] = VDPAD_POLICY_BYTES(16, 16),
        [TCA_CT_NAT_IPV4_MIN] = VDPAD_POLICY_U32,
        [TCA_CT_NAT_IPV4_MAX] = VDPAD_POLICY_U32,
        [TCA_CT_NAT_IPV6_MIN] = VDPAD_POLICY_BYTES(16, 16),
        [TCA_CT_NAT_IPV6_MAX] = VDPAD_POLICY_BYTES(16, 16),
        [TCA_CT_NAT_PORT_MIN] = VDPAD_POLICY_U16,
        [TCA_CT_NAT_PORT_MAX] = VDPAD_POLICY_U16,
    };
    struct nlattr *tb[TCA_CT_NAT_PORT_MAX + 1];
    uint16_t action;

    if (vdpad_attrs_parse_nested(tb, TCA_CT_NAT_PORT_MAX, options, policy)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_CT;
    action = vdpad_attr_u16(tb[TCA_CT_ACTION], 0);
    if (action & TCA_CT_ACT_CLEAR) {
        SAY(a, "ct_clear");
        return 0;
    }
    SAY(a, "ct(%s",
        action & TCA_CT_ACT_COMMIT
            ? action & TCA_CT_ACT_FORCE ? "force_commit," : "commit,"
            : "");
    if (!a->text) {
        return 0;
    }
    vdpad_ftext_number(a->text, "zone", vdpad_attr_u16(tb[TCA_CT_ZONE], 0),
                       tb[TCA_CT_ZONE] ? UINT16_MAX : 0, UINT16_MAX);
    if (tb[TCA_CT_MARK]) {
        vdpad_ftext_add(a->text, "mark=%#x/%#x,", nla_get_u32(tb[TCA_CT_MARK]),
                        vdpad_attr_u32(tb[TCA_CT_MARK_MASK], UINT32_MAX));
    }
    if (tb[TCA_CT_LABELS]) {
        vdpad_ftext_add(a->text, "label=");
        vdpad_ftext_bytes(a->text, nla_data(tb[TCA_CT_LABELS]), 16);
        if (tb[TCA_CT_LABELS_MASK]) {
            vdpad_ftext_add(a->text, "/");
            vdpad_ftext_bytes(a->text, nla_data(tb[TCA_CT_LABELS_MASK]), 16);
        }
        vdpad_ftext_add(a->text, ",");
    }
    if (action & TCA_CT_ACT_NAT) {
        add_nat(a->text, tb, action);
    }
    vdpad_ftext_close(a->text);
    return 0;
}

static int
take_sample(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    static const struct nla_policy policy[TCA_SAMPLE_PSAMPLE_GROUP + 1] = {
        [TCA_SAMPLE_RATE] = VDPAD_POLICY_U32,
        [TCA_SAMPLE_PSAMPLE_GROUP] = VDPAD_POLICY_U32,
    };
    struct nlattr *tb[TCA_SAMPLE_PSAMPLE_GROUP + 1];

    if (vdpad_attrs_parse_nested(tb, TCA_SAMPLE_PSAMPLE_GROUP, options,
                                 policy)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_SAMPLE;
    SAY(a, "sample(rate=1/%u,group=%u)",
        vdpad_attr_u32(tb[TCA_SAMPLE_RATE], 0),
        vdpad_attr_u32(tb[TCA_SAMPLE_PSAMPLE_GROUP], 0));
    return 0;
}

static int
take_skbedit(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    struct nlattr *tb[TCA_SKBEDIT_MASK + 1];

    if (vdpad_attrs_parse_nested(tb, TCA_SKBEDIT_MASK, options, NULL)) {
        return -EBADMSG;
    }
    /* The packet's type alone goes with a redirect to an internal port: Open
     * vSwitch does not tell of it. */
    if (tb[TCA_SKBEDIT_PRIORITY] || tb[TCA_SKBEDIT_MARK]
        || tb[TCA_SKBEDIT_QUEUE_MAPPING]) {
        a->uses |= VDPAD_USE_OTHER_ACTION;
        SAY(a, "skbedit");
    }
    return 0;
}

static int
take_pedit(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    a->uses |= VDPAD_USE_PEDIT;
    if (!a->text) {
        return 0;
    }
    vdpad_ftext_comma(a->text);
    return vdpad_flower_pedit_text(options, a->text);
}

static int
take_csum(const struct nlattr *options, struct vdpad_flower_actions *a)
{
    (void) options;
    (void) a;
    return 0;
}

static const struct {
    const char *kind;
    action_fn *take;
} kinds[] = {
    { "mirred", take_mirred },
    { "gact", take_gact },
    { "tunnel_key", take_tunnel },
    { "vlan", take_vlan },
    { "mpls", take_mpls },
    { "police", take_police },
    { "ct", take_ct },
    { "sample", take_sample },
    { "skbedit", take_skbedit },
    { "pedit", take_pedit },
    { "csum", take_csum },
};

/* A kind that we do not know, whose name need not be printable. */
static void
take_unknown(const char *kind, struct vdpad_flower_actions *a)
{
    char name[VDPAD_WORD_SIZE];

    vdpad_text_copy(name, sizeof name, kind);
    for (char *p = name; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            *p = '?';
        }
    }
    a->uses |= VDPAD_USE_OTHER_ACTION;
    SAY(a, "%s", name);
}

/* tcf_action_dump_1() of 6.12: the options may lack in terse dumps. */
static int
take_action(const struct nlattr *attr, struct vdpad_flower_actions *a)
{
    static const struct nla_policy policy[TCA_ACT_COOKIE + 1] = {
        [TCA_ACT_KIND] = VDPAD_POLICY_TEXT,
        [TCA_ACT_OPTIONS] = VDPAD_POLICY_NEST,
        [TCA_ACT_STATS] = VDPAD_POLICY_NEST,
    };
    struct nlattr *tb[TCA_ACT_COOKIE + 1];
    char kind[VDPAD_WORD_SIZE];
    int error;

    if (vdpad_attrs_parse_nested(tb, TCA_ACT_COOKIE, attr, policy)) {
        return -EBADMSG;
    }
    vdpad_attr_text(tb[TCA_ACT_KIND], kind, sizeof kind);
    vdpad_flower_take_cookie(tb[TCA_ACT_COOKIE], kind, &a->cookie);
    error = tb[TCA_ACT_STATS] ? vdpad_tc_take_stats(
                nla_data(tb[TCA_ACT_STATS]),
                (size_t) nla_len(tb[TCA_ACT_STATS]),
                vdpad_tc_is_shared(kind, strlen(kind) + 1), &a->stats)
                              : 0;
    if (error || !tb[TCA_ACT_OPTIONS]) {
        return error;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!strcmp(kind, kinds[i].kind)) {
            vdpad_flower_take_times(tb[TCA_ACT_OPTIONS], kind, a);
            return kinds[i].take(tb[TCA_ACT_OPTIONS], a);
        }
    }
    take_unknown(kind, a);
    return 0;
}

int
vdpad_flower_decode_actions(const struct nlattr *actions,
                            struct vdpad_flower_actions *a)
{
    struct vdpad_ftext *text = a->text;
    const struct vdpad_netdev_names *names = a->names;
    const struct nlattr *attr;
    int left;

    memset(a, 0, sizeof *a);
    a->text = text;
    a->names = names;
    a->used_ms = a->age_ms = -1;
    if (!vdpad_attrs_are_sound(nla_data(actions), (size_t) nla_len(actions))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, actions, left)
    {
        if (take_action(attr, a)) {
            return -EBADMSG;
        }
    }
    return 0;
}
