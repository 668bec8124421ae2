/* SPDX-License-Identifier: Apache-2.0 */
#include "flow-text.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vdpad/flow-query.h>

#include "uapi.h"

#define IS_ZERO(FIELD) is_zero(&(FIELD), sizeof(FIELD))

static const char ellipsis[] = "\xe2\x80\xa6";

static bool
is_all(const void *bytes, size_t n, uint8_t value)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < n; i++) {
        if (p[i] != value) {
            return false;
        }
    }
    return true;
}

static bool
is_zero(const void *bytes, size_t n)
{
    return is_all(bytes, n, 0);
}

void
vdpad_ftext_begin(struct vdpad_ftext *text, char *buffer, size_t size)
{
    *text = (struct vdpad_ftext){ .buffer = buffer, .size = size };
    buffer[0] = '\0';
}

void
vdpad_ftext_add(struct vdpad_ftext *text, const char *format, ...)
{
    size_t room = text->size - text->len;
    va_list args;
    int n;

    if (text->is_cut) {
        return;
    }
    va_start(args, format);
    n = vsnprintf(text->buffer + text->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t) n >= room) {
        text->is_cut = true;
        text->len = text->size - 1;
    } else {
        text->len += (size_t) n;
    }
}

void
vdpad_ftext_comma(struct vdpad_ftext *text)
{
    char last = text->len ? text->buffer[text->len - 1] : ',';

    if (last != ',' && last != '(') {
        vdpad_ftext_add(text, ",");
    }
}

void
vdpad_ftext_end(struct vdpad_ftext *text)
{
    if (text->is_cut) {
        memcpy(text->buffer + text->size - sizeof ellipsis, ellipsis,
               sizeof ellipsis);
        return;
    }
    while (text->len && text->buffer[text->len - 1] == ',') {
        text->len--;
    }
    memset(text->buffer + text->len, 0, text->size - text->len);
}

void
vdpad_ftext_close(struct vdpad_ftext *text)
{
    if (!text->is_cut && text->len && text->buffer[text->len - 1] == ',') {
        text->len--;
    }
    vdpad_ftext_add(text, "),");
}

void
vdpad_ftext_bytes(struct vdpad_ftext *text, const uint8_t *bytes, size_t n)
{
    bool has_begun = false;

    vdpad_ftext_add(text, "0x");
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] || has_begun || i + 1 == n) {
            vdpad_ftext_add(text, has_begun ? "%02x" : "%x", bytes[i]);
            has_begun = true;
        }
    }
}

void
vdpad_ftext_hex(struct vdpad_ftext *text, const char *name, uint64_t value,
                uint64_t mask, uint64_t full)
{
    if (mask) {
        vdpad_ftext_add(text, "%s=%#llx", name, (unsigned long long) value);
        if (mask != full) {
            vdpad_ftext_add(text, "/%#llx", (unsigned long long) mask);
        }
        vdpad_ftext_add(text, ",");
    }
}

void
vdpad_ftext_number(struct vdpad_ftext *text, const char *name, uint32_t value,
                   uint32_t mask, uint32_t full)
{
    if (mask) {
        vdpad_ftext_add(text, "%s=%u", name, value);
        if (mask != full) {
            vdpad_ftext_add(text, "/%#x", mask);
        }
        vdpad_ftext_add(text, ",");
    }
}

static void
add_mac(struct vdpad_ftext *text, const uint8_t mac[6])
{
    vdpad_ftext_add(text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                    mac[2], mac[3], mac[4], mac[5]);
}

void
vdpad_ftext_mac(struct vdpad_ftext *text, const char *name,
                const uint8_t value[6], const uint8_t mask[6])
{
    if (is_zero(mask, 6)) {
        return;
    }
    vdpad_ftext_add(text, "%s=", name);
    add_mac(text, value);
    if (!is_all(mask, 6, 0xff)) {
        vdpad_ftext_add(text, "/");
        add_mac(text, mask);
    }
    vdpad_ftext_add(text, ",");
}

void
vdpad_ftext_ip(struct vdpad_ftext *text, const char *name, bool is_ip6,
               const uint8_t *value, const uint8_t *mask)
{
    int family = is_ip6 ? AF_INET6 : AF_INET;
    size_t n = is_ip6 ? 16 : 4;
    char address[INET6_ADDRSTRLEN];

    if (is_zero(mask, n)
        || !inet_ntop(family, value, address, sizeof address)) {
        return;
    }
    vdpad_ftext_add(text, "%s=%s", name, address);
    if (!is_all(mask, n, 0xff)
        && inet_ntop(family, mask, address, sizeof address)) {
        vdpad_ftext_add(text, "/%s", address);
    }
    vdpad_ftext_add(text, ",");
}

/* "+a-b" of those flags that the mask has; without a mask "a|b". */
static void
add_flags(struct vdpad_ftext *text, const char *const *names, size_t n,
          uint32_t value, const uint32_t *mask)
{
    bool is_first = true;

    for (size_t i = 0; i < n; i++) {
        uint32_t bit = 1u << i;

        if (!names[i]) {
            continue;
        }
        if (mask && *mask & bit) {
            vdpad_ftext_add(text, "%c%s", value & bit ? '+' : '-', names[i]);
        } else if (!mask && value & bit) {
            vdpad_ftext_add(text, "%s%s", is_first ? "" : "|", names[i]);
            is_first = false;
        }
    }
}

/* Geneve's TLVs: class, type, length in words, data. */
static void
add_options(struct vdpad_ftext *text, const struct vdpad_tunnel *tunnel,
            const struct vdpad_tunnel *mask)
{
    size_t at = 0;

    vdpad_ftext_add(text, "geneve(");
    while (at + 4 <= tunnel->n_opts) {
        const uint8_t *opt = tunnel->opts + at;
        size_t len = (opt[3] & 0x1fu) * 4u;

        if (at + 4 + len > tunnel->n_opts) {
            break;
        }
        vdpad_ftext_add(text, "{class=%#x,type=%#x,len=%zu",
                        (unsigned) opt[0] << 8 | opt[1], opt[2], len);
        if (len) {
            vdpad_ftext_add(text, ",");
            vdpad_ftext_bytes(text, opt + 4, len);
        }
        if (len && mask && !is_all(mask->opts + at + 4, len, 0xff)) {
            vdpad_ftext_add(text, "/");
            vdpad_ftext_bytes(text, mask->opts + at + 4, len);
        }
        vdpad_ftext_add(text, "}");
        at += 4 + len;
    }
    vdpad_ftext_add(text, "%s),", tunnel->has_more_opts ? ellipsis : "");
}

void
vdpad_tunnel_text(struct vdpad_ftext *text, const struct vdpad_tunnel *tunnel,
                  const struct vdpad_tunnel *mask)
{
    static const char *const flags[] = { "df", "csum", "key", "oam" };
    const size_t n_ip = tunnel->is_ip6 ? 16 : 4;
    struct vdpad_tunnel full;
    uint32_t flag_mask;

    /* What an action sets is what is not zero. */
    memset(&full, 0, sizeof full);
    if (!mask) {
        full.id = tunnel->flags & VDPAD_TUNNEL_KEY ? UINT64_MAX : 0;
        memset(full.src, is_zero(tunnel->src, n_ip) ? 0 : 0xff, 16);
        memset(full.dst, 0xff, 16);
        full.tos = tunnel->tos ? UINT8_MAX : 0;
        full.ttl = tunnel->ttl ? UINT8_MAX : 0;
        full.tp_src = tunnel->tp_src ? UINT16_MAX : 0;
        full.tp_dst = tunnel->tp_dst ? UINT16_MAX : 0;
        full.gbp = tunnel->gbp ? UINT32_MAX : 0;
    }
    const struct vdpad_tunnel *m = mask ? mask : &full;

    vdpad_ftext_add(text, "tunnel(");
    vdpad_ftext_hex(text, "tun_id", tunnel->id, m->id, UINT64_MAX);
    vdpad_ftext_ip(text, tunnel->is_ip6 ? "ipv6_src" : "src", tunnel->is_ip6,
                   tunnel->src, m->src);
    vdpad_ftext_ip(text, tunnel->is_ip6 ? "ipv6_dst" : "dst", tunnel->is_ip6,
                   tunnel->dst, m->dst);
    vdpad_ftext_hex(text, "tos", tunnel->tos, m->tos, UINT8_MAX);
    vdpad_ftext_number(text, "ttl", tunnel->ttl, m->ttl, UINT8_MAX);
    vdpad_ftext_number(text, "tp_src", tunnel->tp_src, m->tp_src, UINT16_MAX);
    vdpad_ftext_number(text, "tp_dst", tunnel->tp_dst, m->tp_dst, UINT16_MAX);
    if (m->gbp) {
        vdpad_ftext_add(text, "vxlan(gbp(id=%u,flags=%#x)),",
                        tunnel->gbp & 0xffff, tunnel->gbp >> 16 & 0xff);
    }
    if (tunnel->n_opts || tunnel->has_more_opts) {
        add_options(text, tunnel, mask);
    }
    flag_mask = m->flags;
    if (mask ? flag_mask : tunnel->flags) {
        vdpad_ftext_add(text, "flags(");
        add_flags(text, flags, 4, tunnel->flags, mask ? &flag_mask : NULL);
        vdpad_ftext_add(text, "),");
    }
    vdpad_ftext_close(text);
}

static const char *
frag_name(uint8_t frag)
{
    return frag == VDPAD_FRAG_FIRST   ? "first"
           : frag == VDPAD_FRAG_LATER ? "later"
           : frag                     ? "?"
                                      : "no";
}

static void
add_ip(struct vdpad_ftext *text, const struct vdpad_flow_key *v,
       const struct vdpad_flow_key *m)
{
    bool is_ip6 = v->eth_type == ETH_P_IPV6;

    if (IS_ZERO(m->ip_src) && IS_ZERO(m->ip_dst) && !m->proto && !m->tos
        && !m->ttl && !m->frag && !m->ip6_label) {
        return;
    }
    vdpad_ftext_add(text, is_ip6 ? "ipv6(" : "ipv4(");
    vdpad_ftext_ip(text, "src", is_ip6, v->ip_src, m->ip_src);
    vdpad_ftext_ip(text, "dst", is_ip6, v->ip_dst, m->ip_dst);
    vdpad_ftext_hex(text, "label", v->ip6_label, m->ip6_label, 0xfffff);
    vdpad_ftext_number(text, "proto", v->proto, m->proto, UINT8_MAX);
    vdpad_ftext_hex(text, is_ip6 ? "tclass" : "tos", v->tos, m->tos,
                    UINT8_MAX);
    vdpad_ftext_number(text, is_ip6 ? "hlimit" : "ttl", v->ttl, m->ttl,
                       UINT8_MAX);
    if (m->frag) {
        vdpad_ftext_add(text, "frag=%s,", frag_name(v->frag));
    }
    vdpad_ftext_close(text);
}

static void
add_transport(struct vdpad_ftext *text, const struct vdpad_flow_key *v,
              const struct vdpad_flow_key *m)
{
    static const char *const tcp_flags[] = { "fin", "syn", "rst",  "psh",
                                             "ack", "urg", "ece",  "cwr",
                                             "ns",  "[9]", "[10]", "[11]" };
    bool is_icmp = v->proto == IPPROTO_ICMP || v->proto == IPPROTO_ICMPV6;
    uint32_t full = is_icmp ? UINT8_MAX : UINT16_MAX;
    const char *name = v->proto == IPPROTO_TCP      ? "tcp"
                       : v->proto == IPPROTO_UDP    ? "udp"
                       : v->proto == IPPROTO_SCTP   ? "sctp"
                       : v->proto == IPPROTO_ICMP   ? "icmp"
                       : v->proto == IPPROTO_ICMPV6 ? "icmpv6"
                                                    : "ports";

    if (m->tp_src || m->tp_dst) {
        vdpad_ftext_add(text, "%s(", name);
        vdpad_ftext_number(text, is_icmp ? "type" : "src", v->tp_src,
                           m->tp_src, full);
        vdpad_ftext_number(text, is_icmp ? "code" : "dst", v->tp_dst,
                           m->tp_dst, full);
        vdpad_ftext_close(text);
    }
    if (m->tcp_flags) {
        uint32_t mask = m->tcp_flags;

        vdpad_ftext_add(text, "tcp_flags(");
        add_flags(text, tcp_flags, 12, v->tcp_flags, &mask);
        vdpad_ftext_add(text, "),");
    }
    if (!IS_ZERO(m->nd_target) || !IS_ZERO(m->nd_sll) || !IS_ZERO(m->nd_tll)) {
        vdpad_ftext_add(text, "nd(");
        vdpad_ftext_ip(text, "target", true, v->nd_target, m->nd_target);
        vdpad_ftext_mac(text, "sll", v->nd_sll, m->nd_sll);
        vdpad_ftext_mac(text, "tll", v->nd_tll, m->nd_tll);
        vdpad_ftext_close(text);
    }
}

static void
add_arp(struct vdpad_ftext *text, const struct vdpad_flow_key *v,
        const struct vdpad_flow_key *m)
{
    if (IS_ZERO(m->ip_src) && IS_ZERO(m->ip_dst) && !m->arp_op
        && IS_ZERO(m->arp_sha) && IS_ZERO(m->arp_tha)) {
        return;
    }
    vdpad_ftext_add(text, "arp(");
    vdpad_ftext_ip(text, "sip", false, v->ip_src, m->ip_src);
    vdpad_ftext_ip(text, "tip", false, v->ip_dst, m->ip_dst);
    vdpad_ftext_number(text, "op", v->arp_op, m->arp_op, UINT16_MAX);
    vdpad_ftext_mac(text, "sha", v->arp_sha, m->arp_sha);
    vdpad_ftext_mac(text, "tha", v->arp_tha, m->arp_tha);
    vdpad_ftext_close(text);
}

void
vdpad_ftext_network(struct vdpad_ftext *text, const struct vdpad_flow_key *v,
                    const struct vdpad_flow_key *m)
{
    if (v->eth_type == ETH_P_ARP || v->eth_type == ETH_P_RARP) {
        add_arp(text, v, m);
    } else {
        add_ip(text, v, m);
    }
    if (m->mpls) {
        vdpad_ftext_add(text, "mpls(");
        vdpad_ftext_number(text, "label", v->mpls >> 12, m->mpls >> 12,
                           0xfffff);
        vdpad_ftext_number(text, "tc", v->mpls >> 9 & 7, m->mpls >> 9 & 7, 7);
        vdpad_ftext_number(text, "ttl", v->mpls & 0xff, m->mpls & 0xff, 0xff);
        vdpad_ftext_number(text, "bos", v->mpls >> 8 & 1, m->mpls >> 8 & 1, 1);
        vdpad_ftext_close(text);
    }
    add_transport(text, v, m);
}

/* "name(0x1/0xff)," */
static void
add_word(struct vdpad_ftext *text, const char *name, uint32_t value,
         uint32_t mask, uint32_t full)
{
    if (mask) {
        vdpad_ftext_add(text, "%s(%#x", name, value);
        if (mask != full) {
            vdpad_ftext_add(text, "/%#x", mask);
        }
        vdpad_ftext_add(text, "),");
    }
}

static void
add_ct(struct vdpad_ftext *text, const struct vdpad_flow_key *v,
       const struct vdpad_flow_key *m)
{
    static const char *const states[] = { "new", "est", "rel",  "rpl",
                                          "inv", "trk", "snat", "dnat" };

    if (m->ct_state) {
        vdpad_ftext_add(text, "ct_state(");
        add_flags(text, states, 8, v->ct_state, &m->ct_state);
        vdpad_ftext_add(text, "),");
    }
    add_word(text, "ct_zone", v->ct_zone, m->ct_zone, UINT16_MAX);
    add_word(text, "ct_mark", v->ct_mark, m->ct_mark, UINT32_MAX);
    if (!IS_ZERO(m->ct_label)) {
        vdpad_ftext_add(text, "ct_label(");
        vdpad_ftext_bytes(text, v->ct_label, 16);
        if (!is_all(m->ct_label, 16, 0xff)) {
            vdpad_ftext_add(text, "/");
            vdpad_ftext_bytes(text, m->ct_label, 16);
        }
        vdpad_ftext_add(text, "),");
    }
}

static bool
has_tunnel(const struct vdpad_tunnel *m)
{
    return m->id || !IS_ZERO(m->src) || !IS_ZERO(m->dst) || m->tos || m->ttl
           || m->flags || m->tp_src || m->tp_dst || m->gbp || m->n_opts
           || m->has_more_opts;
}

void
vdpad_match_text(struct vdpad_ftext *text,
                 const struct vdpad_flow_match *match)
{
    const struct vdpad_flow_key *v = &match->value, *m = &match->mask;
    int n_encap = 0;

    if (has_tunnel(&m->tunnel)) {
        vdpad_tunnel_text(text, &v->tunnel, &m->tunnel);
    }
    add_word(text, "skb_priority", v->priority, m->priority, UINT32_MAX);
    add_word(text, "skb_mark", v->mark, m->mark, UINT32_MAX);
    add_ct(text, v, m);
    add_word(text, "recirc_id", v->recirc_id, m->recirc_id, UINT32_MAX);
    add_word(text, "dp_hash", v->dp_hash, m->dp_hash, UINT32_MAX);
    if (match->in_port[0]) {
        vdpad_ftext_add(text, "in_port(%s),", match->in_port);
    }
    if (!IS_ZERO(m->eth_src) || !IS_ZERO(m->eth_dst)) {
        vdpad_ftext_add(text, "eth(");
        vdpad_ftext_mac(text, "src", v->eth_src, m->eth_src);
        vdpad_ftext_mac(text, "dst", v->eth_dst, m->eth_dst);
        vdpad_ftext_close(text);
    }
    for (int i = 0; i < 2 && m->vlan[i].tpid; i++) {
        uint16_t tci = v->vlan[i].tci, mask = m->vlan[i].tci;

        vdpad_ftext_add(text, "eth_type(%#06x),", v->vlan[i].tpid);
        if (mask) {
            vdpad_ftext_add(text, "vlan(");
            vdpad_ftext_number(text, "vid", tci & VDPAD_VLAN_VID,
                               mask & VDPAD_VLAN_VID, VDPAD_VLAN_VID);
            vdpad_ftext_number(text, "pcp", tci >> 13, mask >> 13, 7);
            vdpad_ftext_close(text);
        }
        vdpad_ftext_add(text, "encap(");
        n_encap++;
    }
    if (m->eth_type) {
        vdpad_ftext_add(text, "eth_type(%#06x),", v->eth_type);
    }
    vdpad_ftext_network(text, v, m);
    while (n_encap--) {
        vdpad_ftext_close(text);
    }
}

uint32_t
vdpad_match_uses(const struct vdpad_flow_match *match)
{
    const struct vdpad_flow_key *v = &match->value, *m = &match->mask;
    uint32_t uses = match->uses;

    if (m->ct_state || m->ct_zone || m->ct_mark || !IS_ZERO(m->ct_label)) {
        uses |= VDPAD_USE_CT_STATE;
    }
    uses |= v->recirc_id ? VDPAD_USE_RECIRC : 0;
    uses |= has_tunnel(&m->tunnel) ? VDPAD_USE_TUNNEL_KEY : 0;
    uses |= m->vlan[0].tpid ? VDPAD_USE_VLAN_KEY : 0;
    uses |= m->mpls ? VDPAD_USE_MPLS_KEY : 0;
    uses |= m->frag && v->frag ? VDPAD_USE_FRAG_KEY : 0;
    uses |= m->dp_hash ? VDPAD_USE_DP_HASH : 0;
    uses |= m->mark ? VDPAD_USE_PKT_MARK : 0;
    uses |= m->priority ? VDPAD_USE_PRIORITY : 0;
    return uses;
}
