/* SPDX-License-Identifier: Apache-2.0 */
/* What flows match, and how Open vSwitch writes that.  Flower filters and
 * flows of the kernel datapath are decoded to the same key, so that both read
 * the same.  Pure functions. */
#ifndef VDPAD_NETLINK_FLOW_TEXT_H
#define VDPAD_NETLINK_FLOW_TEXT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text that grows up to 'size' bytes. */
struct vdpad_ftext {
    char *buffer;
    size_t size, len;
    bool is_cut;
};

/* Begins an empty text in 'buffer' of 'size' bytes, at least 4. */
void vdpad_ftext_begin(struct vdpad_ftext *text, char *buffer, size_t size);

void vdpad_ftext_add(struct vdpad_ftext *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a comma, unless the text is empty or ends in one or in "(". */
void vdpad_ftext_comma(struct vdpad_ftext *text);

/* Closes what was opened with "(", whose last comma goes, and adds one. */
void vdpad_ftext_close(struct vdpad_ftext *text);

/* Ends the text, whose last comma goes: one that did not fit ends in "…"; the
 * rest of the buffer is zero. */
void vdpad_ftext_end(struct vdpad_ftext *text);

#define VDPAD_TUNNEL_OPTS 64 /* Bytes of Geneve options that are kept. */

/* Numbers are in host order, addresses and options in network order.  An
 * address of IPv4 is in the first four bytes. */
struct vdpad_tunnel {
    bool is_ip6;
    uint64_t id;
    uint8_t src[16], dst[16];
    uint8_t tos, ttl;
    uint8_t flags; /* VDPAD_TUNNEL_*. */
    uint16_t tp_src, tp_dst;
    uint32_t gbp;       /* Of VXLAN. */
    uint8_t n_opts;     /* Bytes; Geneve's TLVs. */
    bool has_more_opts; /* Than fit, or of another kind. */
    uint8_t opts[VDPAD_TUNNEL_OPTS];
};
#define VDPAD_TUNNEL_DF (1u << 0)
#define VDPAD_TUNNEL_CSUM (1u << 1)
#define VDPAD_TUNNEL_KEY (1u << 2)
#define VDPAD_TUNNEL_OAM (1u << 3)

/* enum ovs_frag_type. */
#define VDPAD_FRAG_FIRST 1
#define VDPAD_FRAG_LATER 2

struct vdpad_vlan {
    uint16_t tpid, tci;
};
#define VDPAD_VLAN_VID 0x0fffu
#define VDPAD_VLAN_PCP 0xe000u

struct vdpad_flow_key {
    uint32_t recirc_id, priority, mark, dp_hash;
    uint32_t ct_state, ct_mark; /* 'ct_state': OVS_CS_F_*. */
    uint16_t ct_zone;
    uint8_t ct_label[16];
    struct vdpad_tunnel tunnel;
    uint8_t eth_src[6], eth_dst[6];
    struct vdpad_vlan vlan[2]; /* The outer one first. */
    uint16_t eth_type;         /* Of what is in there. */
    uint32_t mpls;             /* The first label's entry. */
    uint8_t proto, tos, ttl, frag;
    uint8_t ip_src[16], ip_dst[16]; /* ARP: sender and target. */
    uint32_t ip6_label;
    uint16_t tp_src, tp_dst; /* Ports, or type and code of ICMP. */
    uint16_t tcp_flags;
    uint16_t arp_op;
    uint8_t arp_sha[6], arp_tha[6];
    uint8_t nd_target[16], nd_sll[6], nd_tll[6];
};

struct vdpad_flow_match {
    struct vdpad_flow_key value, mask; /* Of the same layout. */
    char in_port[32];                  /* "" : not matched. */
    uint32_t uses; /* VDPAD_USE_*_KEY of what the key has no place for. */
};

/* Writes 'match' to 'text': fields whose mask is zero are left out, masks that
 * are all ones are not written. */
void vdpad_match_text(struct vdpad_ftext *text,
                      const struct vdpad_flow_match *match);

/* What 'match' needs of the hardware: bits of enum vdpad_flow_use. */
uint32_t vdpad_match_uses(const struct vdpad_flow_match *match);

/* Parts, for actions.  'mask' NULL: exact, and flags as actions have them. */
void vdpad_tunnel_text(struct vdpad_ftext *text,
                       const struct vdpad_tunnel *tunnel,
                       const struct vdpad_tunnel *mask);
/* "NAME=VALUE/MASK," for an address or number with a mask that is not 0. */
void vdpad_ftext_mac(struct vdpad_ftext *text, const char *name,
                     const uint8_t value[6], const uint8_t mask[6]);
void vdpad_ftext_ip(struct vdpad_ftext *text, const char *name, bool is_ip6,
                    const uint8_t *value, const uint8_t *mask);
void vdpad_ftext_hex(struct vdpad_ftext *text, const char *name,
                     uint64_t value, uint64_t mask, uint64_t full);
void vdpad_ftext_number(struct vdpad_ftext *text, const char *name,
                        uint32_t value, uint32_t mask, uint32_t full);
/* All that the key has of "ipv4(…)" or "ipv6(…)", of "tcp(…)" and its kin. */
void vdpad_ftext_network(struct vdpad_ftext *text,
                         const struct vdpad_flow_key *value,
                         const struct vdpad_flow_key *mask);
void vdpad_ftext_bytes(struct vdpad_ftext *text, const uint8_t *bytes,
                       size_t n);

#endif
