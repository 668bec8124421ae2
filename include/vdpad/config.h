/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that the keys of Open_vSwitch.external_ids express, as
 * understood.  Parsing is pure: the same keys give the same configuration. */
#ifndef VDPAD_CONFIG_H
#define VDPAD_CONFIG_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdpad/model.h>
#include <vdpad/store.h>

#define VDPAD_KEY_BRIDGE "vdpa-bridge"
#define VDPAD_KEY_HW_OFFLOAD "vdpa-hw-offload"
#define VDPAD_KEY_ATTACH "vdpa-attach"
#define VDPAD_KEY_POLICY "vdpa-policy-"
#define VDPAD_KEY_PORT "vdpa-port-"
#define VDPAD_KEY_SUSPENDED "vdpa-suspended"
#define VDPAD_KEY_METRICS "vdpa-metrics"

enum vdpad_attach {
    VDPAD_ATTACH_AUTO,
    VDPAD_ATTACH_DECLARED,
    VDPAD_ATTACH_NONE
};
enum vdpad_vdpa_type { VDPAD_TYPE_NONE, VDPAD_TYPE_VHOST, VDPAD_TYPE_VIRTIO };
enum vdpad_device_type { VDPAD_DEV_NETDEV, VDPAD_DEV_VFIO };
enum vdpad_mac_mode { VDPAD_MAC_KEEP, VDPAD_MAC_STABLE, VDPAD_MAC_BASE };

struct vdpad_range {
    uint16_t first, last; /* Inclusive VF indexes. */
};

/* One pf= word.  'name' is a BDF (lower case, domain with at least four
 * digits; "65:00.0" gets "0000:") or a netdev's name. */
struct vdpad_pf_selector {
    char name[VDPAD_BDF_SIZE];
    bool is_bdf;
    size_t n_ranges;            /* 0: all VFs. */
    struct vdpad_range *ranges; /* Sorted, not overlapping. */
};

struct vdpad_policy {
    char *name; /* Key without "vdpa-policy-". */
    char *text; /* The key's value. */
    size_t n_pfs;
    struct vdpad_pf_selector *pfs; /* 0: all that vendor/device match. */
    uint32_t vendor, device;       /* 0: any. */
    int32_t num_vfs;               /* -1: not given. */
    bool externally_managed;
    int32_t eswitch_mode; /* enum vdpad_eswitch_mode; NONE: leave
                                         * it.  Not given: switchdev when
                                         * 'type' is not NONE. */
    enum vdpad_device_type device_type;
    enum vdpad_vdpa_type type;    /* Not given: NONE. */
    int32_t max_vqp;              /* 0: not given, -1: "max". */
    int32_t mtu;                  /* 0: not given. */
    enum vdpad_mac_mode mac_mode; /* Not given: KEEP. */
    uint8_t base_mac[6];
    char *name_template; /* Not given: "vdpa:%a". */
    int32_t priority;    /* Not given: 99. */
    bool suspended;      /* Named by vdpa-suspended. */
};

/* One vdpa-port-IFACEID key. */
struct vdpad_port_spec {
    char *iface_id, *text;
    char *device; /* One of these three is not NULL. */
    char *vf;     /* BDF, normalised. */
    char *policy;
    bool has_mac;
    uint8_t mac[6];
    int32_t mtu; /* 0: not given. */
    int64_t tag; /* -1: not given. */
    size_t n_trunks;
    int64_t *trunks;              /* Sorted, unique. */
    char *bridge;                 /* NULL: vdpa-bridge. */
    char *iface_id_ver, *vm_uuid; /* NULL: not given. */
};

/* One refusal. */
struct vdpad_config_error {
    char *key;    /* The whole key, made printable and
                                         * cut to 255 characters. */
    char *word;   /* The offending word, cut to a
                                         * printable 64 characters; "" when it
                                         * is the key as a whole. */
    char *reason; /* One line with the remedy. */
};

struct vdpad_config {
    char *bridge;
    bool hw_offload;
    enum vdpad_attach attach;
    /* The key stands but is refused: what is wanted is unknown, so that ports
     * stay where they are. */
    bool bridge_refused, attach_refused;
    bool hw_offload_refused, metrics_refused; /* Likewise; then it is left
                                               * alone, or off. */
    char *metrics;                            /* NULL: off. */
    bool suspend_all;
    size_t n_suspended;
    char **suspended;  /* Names, as written. */
    size_t n_policies; /* Valid ones, sorted by priority,
                                         * then name. */
    struct vdpad_policy *policies;
    size_t n_ports; /* Valid ones, sorted by iface_id. */
    struct vdpad_port_spec *ports;
    /* Sorted names of the policies and iface_ids of the ports whose keys stand
     * but are refused: their wishes are unknown, not withdrawn. */
    size_t n_refused_policies, n_refused_ports;
    char **refused_policies, **refused_ports;
    size_t n_errors; /* Sorted by key. */
    struct vdpad_config_error *errors;
};

/* Parses all vdpa-* keys of 'external_ids' to a new configuration.  What is
 * refused is left out and has an entry in errors[]; everything else is kept.
 * A refused vdpa-bridge or vdpa-attach is marked so, a refused
 * vdpa-hw-offload counts as false (leave it alone).
 * Unknown vdpa-* keys are errors too (a mistyped key would else be silently
 * without effect).  Never fails. */
struct vdpad_config *vdpad_config_parse(const struct vdpad_map *external_ids);

/* Checks one key as config/check does: returns the errors that 'key' with
 * 'value' would give beside the other keys of 'external_ids' (a configuration
 * of which only errors[] of that key matter). */
struct vdpad_config *vdpad_config_check(const struct vdpad_map *external_ids,
                                        const char *key, const char *value);

/* Frees 'config'; NULL is allowed. */
void vdpad_config_free(struct vdpad_config *config);

/* Whether vdpa-suspended names 'policy', or all. */
bool vdpad_config_is_suspended(const struct vdpad_config *config,
                               const char *policy);

/* The port 'iface_id'; NULL: there is no such key, or it is refused. */
const struct vdpad_port_spec *
vdpad_config_port(const struct vdpad_config *config, const char *iface_id);

/* Whether the key of port 'iface_id' stands but is refused. */
bool vdpad_config_refuses_port(const struct vdpad_config *config,
                               const char *iface_id);

/* Whether 'policy' has the VF with index 'vf' of a PF in its 'selector'
 * (NULL: no pf= word). */
bool vdpad_selector_has(const struct vdpad_pf_selector *selector, uint16_t vf);

/* Whether two selectors of one PF have VFs in common; '*ret_both' gets the
 * first of these. */
bool vdpad_selectors_overlap(const struct vdpad_pf_selector *a,
                             const struct vdpad_pf_selector *b,
                             struct vdpad_range *ret_both);

/* Parses a MAC address "aa:bb:cc:dd:ee:ff" to 'mac'.  Returns 0 or -EINVAL.
 * Multicast and zero are the caller's to refuse. */
int vdpad_mac_parse(const char *text, uint8_t mac[6]);

/* The opposite, in lower case. */
void vdpad_mac_text(const uint8_t mac[6], char text[18]);

/* Writes a BDF in normal form to 'bdf'.  Returns 0 or -EINVAL. */
int vdpad_bdf_parse(const char *text, char bdf[VDPAD_BDF_SIZE]);

/* Whether 'text' can be a netdev's name (1..15 characters, no '/', ':', white
 * space or control characters, not "." or ".."). */
bool vdpad_ifname_is_valid(const char *text);

#endif
