/* SPDX-License-Identifier: Apache-2.0 */
/* Header rewriting (net/sched/act_pedit.c): words at offsets of headers, put
 * together to fields again. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tc_act/tc_pedit.h>
#include <string.h>

#include "attrs.h"
#include "flower-codec.h"
#include "uapi.h"

#define MAX_HEADER 40 /* IPv6's is the longest. */

struct header {
    uint8_t value[MAX_HEADER];
    uint8_t mask[MAX_HEADER]; /* Bits that are set. */
    bool is_used;
};

struct rewrite {
    struct header headers[TCA_PEDIT_HDR_TYPE_MAX + 1];
    bool has_other; /* What is none of Open vSwitch's. */
};

static uint16_t
get16(const uint8_t *bytes)
{
    return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

static void
take_key(struct rewrite *r, const struct tc_pedit_key *key, unsigned int type,
         unsigned int cmd)
{
    struct header *h;
    uint32_t set = ~key->mask;

    if (type < TCA_PEDIT_KEY_EX_HDR_TYPE_ETH || type > TCA_PEDIT_HDR_TYPE_MAX
        || cmd != TCA_PEDIT_KEY_EX_CMD_SET || key->offmask
        || key->off > MAX_HEADER - sizeof set) {
        r->has_other = true;
        return;
    }
    h = &r->headers[type];
    h->is_used = true;
    for (size_t i = 0; i < sizeof set; i++) {
        uint8_t bits, value;

        memcpy(&bits, (const char *) &set + i, 1);
        memcpy(&value, (const char *) &key->val + i, 1);
        h->mask[key->off + i] |= bits;
        h->value[key->off + i] = (uint8_t) ((h->value[key->off + i] & ~bits)
                                            | (value & bits));
    }
}

/* Type of header and command of one key. */
static int
take_extension(const struct nlattr *attr, unsigned int *type,
               unsigned int *cmd)
{
    static const struct nla_policy policy[TCA_PEDIT_KEY_EX_MAX + 1] = {
        [TCA_PEDIT_KEY_EX_HTYPE] = VDPAD_POLICY_U16,
        [TCA_PEDIT_KEY_EX_CMD] = VDPAD_POLICY_U16,
    };
    struct nlattr *tb[TCA_PEDIT_KEY_EX_MAX + 1];

    if (vdpad_attrs_parse_nested(tb, TCA_PEDIT_KEY_EX_MAX, attr, policy)) {
        return -EBADMSG;
    }
    *type = vdpad_attr_u16(tb[TCA_PEDIT_KEY_EX_HTYPE], 0);
    *cmd = vdpad_attr_u16(tb[TCA_PEDIT_KEY_EX_CMD], 0);
    return 0;
}

static int
take_keys(struct rewrite *r, const struct nlattr *parms,
          const struct nlattr *extensions)
{
    const char *keys = (const char *) nla_data(parms)
                       + sizeof(struct tc_pedit_sel);
    size_t len = (size_t) nla_len(parms), n;
    const struct nlattr *attr = NULL;
    struct tc_pedit_sel sel;
    int left = 0;

    if (len < sizeof sel) {
        return -EBADMSG;
    }
    memcpy(&sel, nla_data(parms), sizeof sel);
    n = sel.nkeys;
    if ((len - sizeof sel) / sizeof(struct tc_pedit_key) < n) {
        return -EBADMSG;
    }
    if (extensions) {
        if (!vdpad_attrs_are_sound(nla_data(extensions),
                                   (size_t) nla_len(extensions))) {
            return -EBADMSG;
        }
        attr = nla_data(extensions);
        left = nla_len(extensions);
    }
    for (size_t i = 0; i < n; i++) {
        unsigned int type = 0, cmd = 0;
        struct tc_pedit_key key;

        memcpy(&key, keys + i * sizeof key, sizeof key);
        if (attr && nla_ok(attr, left)) {
            if (take_extension(attr, &type, &cmd)) {
                return -EBADMSG;
            }
            attr = nla_next(attr, &left);
        }
        take_key(r, &key, type, cmd);
    }
    return 0;
}

static void
eth_text(struct vdpad_ftext *text, const struct header *h)
{
    vdpad_ftext_add(text, "set(eth(");
    vdpad_ftext_mac(text, "src", h->value + 6, h->mask + 6);
    vdpad_ftext_mac(text, "dst", h->value, h->mask);
    vdpad_ftext_close(text);
    vdpad_ftext_close(text);
}

static void
take_ip4(struct vdpad_flow_key *key, const uint8_t *bytes)
{
    key->tos = bytes[1];
    key->ttl = bytes[8];
    memcpy(key->ip_src, bytes + 12, 4);
    memcpy(key->ip_dst, bytes + 16, 4);
}

static void
take_ip6(struct vdpad_flow_key *key, const uint8_t *bytes)
{
    key->tos = (uint8_t) (get16(bytes) >> 4);
    key->ip6_label = (uint32_t) (bytes[1] & 0x0f) << 16 | get16(bytes + 2);
    key->ttl = bytes[7];
    memcpy(key->ip_src, bytes + 8, 16);
    memcpy(key->ip_dst, bytes + 24, 16);
}

static void
take_ports(struct vdpad_flow_key *key, const uint8_t *bytes)
{
    key->tp_src = get16(bytes);
    key->tp_dst = get16(bytes + 2);
}

static void
header_text(struct vdpad_ftext *text, const struct header *h,
            uint16_t eth_type, uint8_t proto,
            void (*take)(struct vdpad_flow_key *key, const uint8_t *bytes))
{
    struct vdpad_flow_key value, mask;

    memset(&value, 0, sizeof value);
    memset(&mask, 0, sizeof mask);
    value.eth_type = eth_type;
    value.proto = proto;
    take(&value, h->value);
    take(&mask, h->mask);
    vdpad_ftext_add(text, "set(");
    vdpad_ftext_network(text, &value, &mask);
    vdpad_ftext_close(text);
}

int
vdpad_flower_pedit_text(const struct nlattr *options, struct vdpad_ftext *text)
{
    static const struct nla_policy policy[TCA_PEDIT_KEYS_EX + 1] = {
        [TCA_PEDIT_KEYS_EX] = VDPAD_POLICY_NEST,
    };
    struct nlattr *tb[TCA_PEDIT_KEYS_EX + 1];
    const struct nlattr *parms;
    struct rewrite r;

    if (vdpad_attrs_parse_nested(tb, TCA_PEDIT_KEYS_EX, options, policy)) {
        return -EBADMSG;
    }
    parms = tb[TCA_PEDIT_PARMS_EX] ? tb[TCA_PEDIT_PARMS_EX]
                                   : tb[TCA_PEDIT_PARMS];
    memset(&r, 0, sizeof r);
    if (!parms || take_keys(&r, parms, tb[TCA_PEDIT_KEYS_EX])) {
        return -EBADMSG;
    }
    if (r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_ETH].is_used) {
        eth_text(text, &r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_ETH]);
    }
    if (r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_IP4].is_used) {
        header_text(text, &r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_IP4], ETH_P_IP,
                    0, take_ip4);
    }
    if (r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_IP6].is_used) {
        header_text(text, &r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_IP6],
                    ETH_P_IPV6, 0, take_ip6);
    }
    if (r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_TCP].is_used) {
        header_text(text, &r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_TCP], 0,
                    IPPROTO_TCP, take_ports);
    }
    if (r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_UDP].is_used) {
        header_text(text, &r.headers[TCA_PEDIT_KEY_EX_HDR_TYPE_UDP], 0,
                    IPPROTO_UDP, take_ports);
    }
    if (r.has_other) {
        vdpad_ftext_add(text, "pedit,");
    }
    return 0;
}
