/* SPDX-License-Identifier: Apache-2.0 */
/* The words of vdpa-policy-NAME, and which of them cannot stand together. */
#include "config-parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NAME "vdpa:%a"
#define DEFAULT_PRIORITY 99

enum policy_word {
    W_PF,
    W_VENDOR,
    W_DEVICE_ID,
    W_NUM_VFS,
    W_EXTERNALLY_MANAGED,
    W_ESWITCH_MODE,
    W_DEVICE_TYPE,
    W_VDPA_TYPE,
    W_MAX_VQP,
    W_MTU,
    W_MAC,
    W_NAME,
    W_PRIORITY,
    W_N
};

static bool
parse_pf_name(struct vdpad_parse *p, const char *name,
              struct vdpad_pf_selector *pf)
{
    if (!vdpad_bdf_parse(name, pf->name)) {
        pf->is_bdf = true;
        return true;
    }
    if (vdpad_ifname_is_valid(name)) {
        snprintf(pf->name, sizeof pf->name, "%s", name);
        return true;
    }
    char word[VDPAD_WORD_TEXT];
    vdpad_printable(p->word, 64, word, sizeof word);
    return vdpad_refuse(p,
                        "%s names neither a PCI address nor a network "
                        "device; write for example pf=0000:65:00.0#0-3",
                        word);
}

static bool
parse_pf(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    struct vdpad_pf_selector pf = { .n_ranges = 0 };
    const char *hash = strchr(value, '#');
    char word[VDPAD_WORD_TEXT], both_text[32];
    struct vdpad_range both;

    if (policy->n_pfs == VDPAD_CONFIG_PFS_MAX) {
        return vdpad_refuse(p,
                            "there are more than %d pf= words; spread "
                            "them over several policies",
                            VDPAD_CONFIG_PFS_MAX);
    }
    char *name = vdpad_xstrndup(value, hash ? (size_t) (hash - value)
                                            : strlen(value));
    bool ok = parse_pf_name(p, name, &pf);
    free(name);
    if (!ok
        || (hash
            && !vdpad_parse_ranges(p, hash + 1, VDPAD_VF_INDEX_MAX,
                                   "VF indexes", &pf.ranges, &pf.n_ranges))) {
        return false;
    }

    vdpad_printable(p->word, 64, word, sizeof word);
    for (size_t i = 1; i < pf.n_ranges; i++) {
        if (pf.ranges[i].first <= pf.ranges[i - 1].last) {
            vdpad_refuse(p, "%s names VF %u twice; keep one of the ranges",
                         word, pf.ranges[i].first);
            free(pf.ranges);
            return false;
        }
    }
    for (size_t i = 0; i < policy->n_pfs; i++) {
        if (!strcmp(policy->pfs[i].name, pf.name)
            && vdpad_selectors_overlap(&policy->pfs[i], &pf, &both)) {
            vdpad_range_format(&both, both_text, sizeof both_text);
            vdpad_refuse(p,
                         "%s repeats %s of another pf= word of this "
                         "policy; keep one of them",
                         word, both_text);
            free(pf.ranges);
            return false;
        }
    }
    policy->pfs = vdpad_xrealloc(policy->pfs, policy->n_pfs + 1,
                                 sizeof *policy->pfs);
    policy->pfs[policy->n_pfs++] = pf;
    return true;
}

static bool
parse_pci_id(struct vdpad_parse *p, const char *value, const char *example,
             uint32_t *ret_id)
{
    const char *digits = !strncmp(value, "0x", 2) ? value + 2 : value;
    char word[VDPAD_WORD_TEXT];
    uint32_t id = 0;

    if (!vdpad_scan_hex(&digits, 4, &id) || *digits) {
        id = 0;
    }
    /* 0xffff is what an absent function reads as. */
    if (!id || id == 0xffff) {
        vdpad_printable(p->word, 64, word, sizeof word);
        return vdpad_refuse(p,
                            "%s is not a PCI id of up to four hexadecimal "
                            "digits; write for example %s",
                            word, example);
    }
    *ret_id = id;
    return true;
}

static bool
parse_vendor(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    return parse_pci_id(p, value, "vendor=15b3", &policy->vendor);
}

static bool
parse_device_id(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    return parse_pci_id(p, value, "device-id=101d", &policy->device);
}

static bool
parse_num_vfs(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    uint32_t n;

    if (!vdpad_parse_number(p, value, 0, 65535, "8", &n)) {
        return false;
    }
    policy->num_vfs = (int32_t) n;
    return true;
}

static bool
parse_externally_managed(struct vdpad_parse *p, const char *value,
                         void *policy_)
{
    static const char *const names[] = { "true", "false", NULL };
    struct vdpad_policy *policy = policy_;
    int i;

    if (!vdpad_parse_choice(p, value, names, &i)) {
        return false;
    }
    policy->externally_managed = !i;
    return true;
}

static bool
parse_eswitch_mode(struct vdpad_parse *p, const char *value, void *policy_)
{
    static const char *const names[] = { "switchdev", "legacy", NULL };
    struct vdpad_policy *policy = policy_;
    int i;

    if (!vdpad_parse_choice(p, value, names, &i)) {
        return false;
    }
    policy->eswitch_mode = i ? VDPAD_ESWITCH_LEGACY : VDPAD_ESWITCH_SWITCHDEV;
    return true;
}

static bool
parse_device_type(struct vdpad_parse *p, const char *value, void *policy_)
{
    static const char *const names[] = { "netdev", "vfio-pci", NULL };
    struct vdpad_policy *policy = policy_;
    int i;

    if (!vdpad_parse_choice(p, value, names, &i)) {
        return false;
    }
    policy->device_type = i ? VDPAD_DEV_VFIO : VDPAD_DEV_NETDEV;
    return true;
}

static bool
parse_vdpa_type(struct vdpad_parse *p, const char *value, void *policy_)
{
    static const char *const names[] = { "vhost", "virtio", "none", NULL };
    static const enum vdpad_vdpa_type types[] = { VDPAD_TYPE_VHOST,
                                                  VDPAD_TYPE_VIRTIO,
                                                  VDPAD_TYPE_NONE };
    struct vdpad_policy *policy = policy_;
    int i;

    if (!vdpad_parse_choice(p, value, names, &i)) {
        return false;
    }
    policy->type = types[i];
    return true;
}

static bool
parse_max_vqp(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    uint32_t n;

    if (!strcmp(value, "max")) {
        policy->max_vqp = -1;
        return true;
    }
    /* 32767: virtio-net's VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX is 0x8000, the
     * control queue needs an index too. */
    const char *rest = value;
    if (!vdpad_scan_number(&rest, 32767, &n) || *rest || !n) {
        char word[VDPAD_WORD_TEXT];
        vdpad_printable(p->word, 64, word, sizeof word);
        return vdpad_refuse(p,
                            "%s is neither a number from 1 to 32767 nor "
                            "max; write for example max-vqp=4",
                            word);
    }
    policy->max_vqp = (int32_t) n;
    return true;
}

static bool
parse_policy_mtu(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    return vdpad_parse_mtu(p, value, &policy->mtu);
}

static bool
parse_policy_mac(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    static const char *const names[] = { "keep", "stable", NULL };
    int i;

    if (strchr(value, ':')) {
        policy->mac_mode = VDPAD_MAC_BASE;
        return vdpad_parse_unicast(p, value, policy->base_mac);
    }
    i = 0;
    while (names[i] && strcmp(value, names[i])) {
        i++;
    }
    if (!names[i]) {
        char word[VDPAD_WORD_TEXT];
        const char *meant = vdpad_nearest(value, names, 2, sizeof *names);
        vdpad_printable(p->word, 64, word, sizeof word);
        return vdpad_refuse(p,
                            "%s is neither keep, stable nor a MAC "
                            "address; %s mac=%s%s",
                            word, meant ? "did you mean" : "write for example",
                            meant ? meant : "02:00:00:00:01:00",
                            meant ? "?" : "");
    }
    policy->mac_mode = i ? VDPAD_MAC_STABLE : VDPAD_MAC_KEEP;
    return true;
}

static bool
parse_name(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    char word[VDPAD_WORD_TEXT];
    size_t len = 0;

    vdpad_printable(p->word, 64, word, sizeof word);
    for (const char *s = value; *s; s++) {
        if (*s == '%') {
            s++;
            if (*s == 'a' || *s == 'p') {
                len += VDPAD_BDF_SIZE - 1;
            } else if (*s == 'v') {
                len += 5;
            } else {
                return vdpad_refuse(p,
                                    "%s: after %% only a (address of the "
                                    "VF), p (address of the PF) and v (index "
                                    "of the VF) have a meaning",
                                    word);
            }
        } else if (isalnum((unsigned char) *s) || strchr(":._-+@", *s)) {
            len++;
        } else {
            return vdpad_refuse(p,
                                "%s: a device's name consists of letters, "
                                "digits and :._-+@",
                                word);
        }
    }
    if (len >= VDPAD_NAME_SIZE) {
        return vdpad_refuse(p,
                            "%s: the names could become %zu characters "
                            "long; at most %d are allowed",
                            word, len, VDPAD_NAME_SIZE - 1);
    }
    if (value[0] == '-' || value[0] == '.') {
        return vdpad_refuse(p, "%s: a device's name must not begin with %c",
                            word, value[0]);
    }
    policy->name_template = vdpad_xstrdup(value);
    return true;
}

static bool
parse_priority(struct vdpad_parse *p, const char *value, void *policy_)
{
    struct vdpad_policy *policy = policy_;
    uint32_t n;

    if (!vdpad_parse_number(p, value, 0, 99, "10", &n)) {
        return false;
    }
    policy->priority = (int32_t) n;
    return true;
}

static const struct vdpad_word words[W_N] = {
    [W_PF] = { "pf", "0000:65:00.0#0-3", true, parse_pf },
    [W_VENDOR] = { "vendor", "15b3", false, parse_vendor },
    [W_DEVICE_ID] = { "device-id", "101d", false, parse_device_id },
    [W_NUM_VFS] = { "num-vfs", "8", false, parse_num_vfs },
    [W_EXTERNALLY_MANAGED] = { "externally-managed", "true", false,
                               parse_externally_managed },
    [W_ESWITCH_MODE] = { "eswitch-mode", "switchdev", false,
                         parse_eswitch_mode },
    [W_DEVICE_TYPE] = { "device-type", "netdev", false, parse_device_type },
    [W_VDPA_TYPE] = { "vdpa-type", "vhost", false, parse_vdpa_type },
    [W_MAX_VQP] = { "max-vqp", "4", false, parse_max_vqp },
    [W_MTU] = { "mtu", "1500", false, parse_policy_mtu },
    [W_MAC] = { "mac", "stable", false, parse_policy_mac },
    [W_NAME] = { "name", DEFAULT_NAME, false, parse_name },
    [W_PRIORITY] = { "priority", "10", false, parse_priority },
};

/* Refuses 'word', one of the policy's, for how it goes with the others. */
#define refuse_word(P, WORD, ...) \
    ((P)->word = (WORD), vdpad_refuse(P, __VA_ARGS__), (P)->word = NULL)

static void
check_modes(struct vdpad_parse *p, const struct vdpad_policy *policy)
{
    const char *type = policy->type == VDPAD_TYPE_VHOST ? "vdpa-type=vhost"
                                                        : "vdpa-type=virtio";
    bool has_vdpa = policy->type != VDPAD_TYPE_NONE;

    if (has_vdpa && policy->device_type == VDPAD_DEV_VFIO) {
        refuse_word(p, "device-type=vfio-pci",
                    "device-type=vfio-pci cannot "
                    "go with %s: a VF has one driver; drop one of the two",
                    type);
    }
    if (has_vdpa && policy->eswitch_mode == VDPAD_ESWITCH_LEGACY) {
        refuse_word(p, "eswitch-mode=legacy",
                    "eswitch-mode=legacy cannot go "
                    "with %s, which needs representors; write "
                    "eswitch-mode=switchdev",
                    type);
    }
    if (policy->externally_managed && p->seen & UINT32_C(1) << W_NUM_VFS) {
        refuse_word(p, "num-vfs",
                    "num-vfs= cannot go with "
                    "externally-managed=true, which leaves the VFs to "
                    "others; drop one of the two");
    }
    if (policy->externally_managed
        && p->seen & UINT32_C(1) << W_ESWITCH_MODE) {
        refuse_word(p, "eswitch-mode",
                    "eswitch-mode= cannot go with "
                    "externally-managed=true, which leaves the e-switch to "
                    "others; drop one of the two");
    }
    if (has_vdpa && !policy->num_vfs) {
        refuse_word(p, "num-vfs=0",
                    "num-vfs=0 cannot go with %s: without "
                    "VFs there are no devices; use vdpa-suspended to stop "
                    "this policy for a time",
                    type);
    }
}

/* Returns the highest VF index that 'policy' can have, UINT32_MAX if that is
 * not known. */
static uint32_t
check_ranges(struct vdpad_parse *p, const struct vdpad_policy *policy)
{
    uint32_t highest = 0;
    bool all = !policy->n_pfs;

    for (size_t i = 0; i < policy->n_pfs; i++) {
        const struct vdpad_pf_selector *pf = &policy->pfs[i];

        if (!pf->n_ranges) {
            all = true;
            continue;
        }
        uint32_t last = pf->ranges[pf->n_ranges - 1].last;
        highest = last > highest ? last : highest;
        if (policy->num_vfs >= 0 && last >= (uint32_t) policy->num_vfs) {
            char word[64];
            snprintf(word, sizeof word, "pf=%s", pf->name);
            refuse_word(p, word,
                        "%s names VF %u, but num-vfs=%d makes only "
                        "%d, counted from 0; raise num-vfs or shorten the "
                        "range",
                        word, last, policy->num_vfs, policy->num_vfs);
        }
    }
    if (all) {
        return policy->num_vfs > 0 ? (uint32_t) policy->num_vfs - 1
                                   : UINT32_MAX;
    }
    return highest;
}

static bool
has_one_vf(const struct vdpad_policy *policy)
{
    const struct vdpad_pf_selector *pf = policy->pfs;

    return policy->n_pfs == 1
           && (pf->n_ranges
                   ? pf->n_ranges == 1 && pf->ranges->first == pf->ranges->last
                   : policy->num_vfs == 1);
}

static void
check_names(struct vdpad_parse *p, const struct vdpad_policy *policy)
{
    const char *name = policy->name_template;
    bool tells_vf = strstr(name, "%v"), tells_pf = strstr(name, "%p");
    char word[VDPAD_NAME_SIZE + 8];

    if (strstr(name, "%a") || has_one_vf(policy)) {
        return;
    }
    snprintf(word, sizeof word, "name=%s", name);
    bool many_pfs = policy->n_pfs != 1;
    for (size_t i = 1; i < policy->n_pfs && many_pfs; i++) {
        many_pfs = strcmp(policy->pfs[i].name, policy->pfs[0].name);
    }
    if (!tells_vf) {
        refuse_word(p, word,
                    "%s gives several VFs the same name; add %%v "
                    "(index of the VF) or %%a (its address)",
                    word);
    } else if (many_pfs && !tells_pf) {
        refuse_word(p, word,
                    "%s gives VFs of several PFs the same name; add "
                    "%%p (address of the PF) or use %%a (that of the VF)",
                    word);
    }
}

static void
check_base_mac(struct vdpad_parse *p, const struct vdpad_policy *policy,
               uint32_t highest)
{
    const uint8_t *m = policy->base_mac;
    uint32_t low = (uint32_t) m[3] << 16 | (uint32_t) m[4] << 8 | m[5];

    if (policy->mac_mode == VDPAD_MAC_BASE && highest != UINT32_MAX
        && low + highest > 0xffffff) {
        refuse_word(p, "mac",
                    "mac=%02x:%02x:%02x:%02x:%02x:%02x plus the VF "
                    "index %u leaves the manufacturer's block of addresses; "
                    "take a lower base",
                    m[0], m[1], m[2], m[3], m[4], m[5], highest);
    }
}

bool
vdpad_policy_parse(struct vdpad_parse *p, const char *name, const char *value,
                   struct vdpad_policy *policy)
{
    *policy = (struct vdpad_policy){
        .name = vdpad_xstrdup(name),
        .text = vdpad_xstrdup(value),
        .num_vfs = -1,
        .eswitch_mode = VDPAD_ESWITCH_NONE,
        .priority = DEFAULT_PRIORITY,
    };
    bool ok = vdpad_parse_words(p, value, words, W_N, policy);

    if (!policy->name_template) {
        policy->name_template = vdpad_xstrdup(DEFAULT_NAME);
    }
    if (!ok) {
        return false;
    }

    size_t before = p->n_errors;
    if (!policy->n_pfs && !policy->vendor && !policy->device) {
        vdpad_refuse(p, "the policy selects no device; add for example "
                        "pf=0000:65:00.0 or vendor=15b3");
    }
    check_modes(p, policy);
    uint32_t highest = check_ranges(p, policy);
    check_names(p, policy);
    check_base_mac(p, policy, highest);
    if (policy->type != VDPAD_TYPE_NONE && !policy->externally_managed
        && policy->eswitch_mode == VDPAD_ESWITCH_NONE) {
        policy->eswitch_mode = VDPAD_ESWITCH_SWITCHDEV;
    }
    return p->n_errors == before;
}

void
vdpad_policy_done(struct vdpad_policy *policy)
{
    for (size_t i = 0; i < policy->n_pfs; i++) {
        free(policy->pfs[i].ranges);
    }
    free(policy->pfs);
    free(policy->name);
    free(policy->text);
    free(policy->name_template);
}
