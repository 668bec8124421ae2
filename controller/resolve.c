/* SPDX-License-Identifier: Apache-2.0 */
/* From policies, which name PFs and VF indexes, to what is wanted of the PFs
 * and VFs that this host has. */
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "util.h"
#include "world-internal.h"

/* Whether 'selector' names 'pf': by address, or by the name of a netdev that
 * the PF has. */
static bool
names_pf(const struct vdpad_world *w, const struct vdpad_pf_selector *s,
         const struct vdpad_pf *pf)
{
    if (s->is_bdf) {
        return !strcmp(s->name, pf->pci->bdf);
    }
    return pf->uplink && !strcmp(s->name, pf->uplink->name)
           && !strcmp(pf->uplink->parent_dev, pf->pci->bdf)
           && w->observed->class_[VDPAD_LINK].known;
}

/* The word of 'policy' that the PCI ids of 'pf' do not fit; NULL: none. */
static const char *
unfit_id(const struct vdpad_policy *policy, const struct vdpad_pf *pf)
{
    return policy->vendor && policy->vendor != pf->pci->vendor   ? "vendor"
           : policy->device && policy->device != pf->pci->device ? "device-id"
                                                                 : NULL;
}

/* Whether 'policy' selects 'pf'; then '*ret_selector' is by which word (NULL:
 * by vendor and device alone). */
static bool
selects(const struct vdpad_world *w, const struct vdpad_policy *policy,
        const struct vdpad_pf *pf,
        const struct vdpad_pf_selector **ret_selector)
{
    *ret_selector = NULL;
    if (unfit_id(policy, pf)) {
        return false;
    }
    if (!policy->n_pfs) {
        return true;
    }
    for (size_t i = 0; i < policy->n_pfs; i++) {
        if (names_pf(w, &policy->pfs[i], pf)) {
            *ret_selector = &policy->pfs[i];
            return true;
        }
    }
    return false;
}

/* All selectors of 'policy' that name 'pf' together: two pf= words may name
 * one PF with different ranges. */
static bool
covers(const struct vdpad_world *w, const struct vdpad_policy *policy,
       const struct vdpad_pf *pf, int32_t index)
{
    const struct vdpad_pf_selector *s;

    if (!selects(w, policy, pf, &s)) {
        return false;
    }
    if (!s) {
        return true;
    }
    for (size_t i = 0; i < policy->n_pfs; i++) {
        if (names_pf(w, &policy->pfs[i], pf)
            && vdpad_selector_has(&policy->pfs[i], (uint16_t) index)) {
            return true;
        }
    }
    return false;
}

static bool
applies(const struct vdpad_resolver *r, size_t i)
{
    return !r->refused[i] && !r->world->config->policies[i].suspended;
}

static void
refuse(struct vdpad_resolver *r, size_t i, const char *word, const char *text)
{
    char key[VDPAD_NAME_SIZE];

    vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s",
               r->world->config->policies[i].name);
    vdpad_world_problem(r->world, key, word, "%s", text);
    r->world->problems[r->world->n_problems - 1].is_refusal = true;
    r->refused[i] = true;
}

/* The lowest VF index of 'pf' that both have; -1: none. */
static int32_t
find_common(const struct vdpad_world *w, const struct vdpad_policy *a,
            const struct vdpad_policy *b, const struct vdpad_pf *pf)
{
    static const struct vdpad_pf_selector all = { .n_ranges = 0 };
    int32_t lowest = -1;

    for (size_t i = 0; i < (a->n_pfs ? a->n_pfs : 1); i++) {
        for (size_t j = 0; j < (b->n_pfs ? b->n_pfs : 1); j++) {
            const struct vdpad_pf_selector *s = a->n_pfs ? &a->pfs[i] : &all;
            const struct vdpad_pf_selector *t = b->n_pfs ? &b->pfs[j] : &all;
            struct vdpad_range both;

            if ((s == &all || names_pf(w, s, pf))
                && (t == &all || names_pf(w, t, pf))
                && vdpad_selectors_overlap(s, t, &both)
                && both.first < pf->pci->totalvfs
                && (lowest < 0 || both.first < lowest)) {
                lowest = both.first;
            }
        }
    }
    return lowest;
}

/* Refuses policy 'i' if it and the equally urgent policy 'j' before it want
 * different things of one VF or PF. */
static void
check_pair(struct vdpad_resolver *r, size_t j, size_t i)
{
    const struct vdpad_world *w = r->world;
    const struct vdpad_policy *a = &w->config->policies[j];
    const struct vdpad_policy *b = &w->config->policies[i];

    for (size_t p = 0; p < w->n_pfs; p++) {
        const struct vdpad_pf *pf = &w->pfs[p];
        const struct vdpad_pf_selector *s;
        char text[VDPAD_REASON_SIZE];

        if (!selects(w, a, pf, &s) || !selects(w, b, pf, &s)) {
            continue;
        }

        int32_t vf = find_common(w, a, b, pf);

        if (vf >= 0) {
            vdpad_text(text, sizeof text,
                       "VF %d of %s is also in policy "
                       "%s with the same priority %d; give one of them "
                       "another priority (lower wins) or other ranges",
                       vf, pf->pci->bdf, a->name, a->priority);
            refuse(r, i, "pf", text);
            return;
        }
        if (a->eswitch_mode != VDPAD_ESWITCH_NONE
            && b->eswitch_mode != VDPAD_ESWITCH_NONE
            && a->eswitch_mode != b->eswitch_mode) {
            vdpad_text(text, sizeof text,
                       "policy %s with the same priority "
                       "wants e-switch mode %s on %s; make them agree",
                       a->name,
                       a->eswitch_mode == VDPAD_ESWITCH_LEGACY ? "legacy"
                                                               : "switchdev",
                       pf->pci->bdf);
            refuse(r, i, "eswitch-mode", text);
            return;
        }
        if (a->num_vfs >= 0 && b->num_vfs >= 0 && a->num_vfs != b->num_vfs) {
            vdpad_text(text, sizeof text,
                       "policy %s with the same priority "
                       "wants num-vfs=%d on %s; make them agree",
                       a->name, a->num_vfs, pf->pci->bdf);
            refuse(r, i, "num-vfs", text);
            return;
        }
    }
}

/* The lowest VF index that 'policy' has on 'pf' and on a PF before it; -1:
 * none. */
static int32_t
find_twin(const struct vdpad_world *w, const struct vdpad_policy *policy,
          size_t pf)
{
    for (int32_t vf = 0; vf < w->pfs[pf].pci->totalvfs; vf++) {
        for (size_t p = 0; p < pf; p++) {
            if (vf < w->pfs[p].pci->totalvfs
                && covers(w, policy, &w->pfs[p], vf)
                && covers(w, policy, &w->pfs[pf], vf)) {
                return vf;
            }
        }
    }
    return -1;
}

/* Refuses policy 'i' where the host cannot fulfil it, and tells of PFs that
 * it names and that are not there (they may come: no refusal). */
static void
check_host(struct vdpad_resolver *r, size_t i)
{
    const struct vdpad_world *w = r->world;
    const struct vdpad_policy *policy = &w->config->policies[i];
    const struct vdpad_pf_selector *s;
    char text[VDPAD_REASON_SIZE];
    char key[VDPAD_NAME_SIZE];
    const char *any = NULL; /* A PF that it selects. */

    for (size_t p = 0; p < w->n_pfs; p++) {
        const struct vdpad_pci *pci = w->pfs[p].pci;

        if (!selects(w, policy, &w->pfs[p], &s)) {
            continue;
        }
        any = any ? any : pci->bdf;
        if (policy->num_vfs > pci->totalvfs) {
            vdpad_text(text, sizeof text,
                       "%s has at most %d VFs "
                       "(sriov_totalvfs); ask for fewer, or raise NUM_OF_VFS "
                       "in the card's firmware",
                       pci->bdf, pci->totalvfs);
            refuse(r, i, "num-vfs", text);
            return;
        }
        if (policy->mac_mode == VDPAD_MAC_BASE
            && find_twin(w, policy, p) >= 0) {
            vdpad_text(text, sizeof text,
                       "VF %d of %s would get the same MAC address as VF %d "
                       "of another PF; write one policy per PF, or "
                       "mac=stable",
                       find_twin(w, policy, p), pci->bdf,
                       find_twin(w, policy, p));
            refuse(r, i, "mac", text);
            return;
        }
    }

    vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s", policy->name);
    for (size_t n = 0; n < policy->n_pfs; n++) {
        bool found = false;

        for (size_t p = 0; p < w->n_pfs && !found; p++) {
            const struct vdpad_pf *pf = &w->pfs[p];
            const char *unfit = unfit_id(policy, pf);

            found = names_pf(w, &policy->pfs[n], pf);
            if (found && unfit) {
                vdpad_world_problem(r->world, key, unfit,
                                    "%s has vendor %04x, device %04x, so that "
                                    "the policy does not apply to it; correct "
                                    "or drop %s=",
                                    policy->pfs[n].name, pf->pci->vendor,
                                    pf->pci->device, unfit);
            }
        }
        if (!found) {
            r->unsure[i] |= !policy->pfs[n].is_bdf;
            vdpad_world_problem(r->world, key, policy->pfs[n].name,
                                "there is no SR-IOV physical function %s on "
                                "this host; `pf/list` shows those there are",
                                policy->pfs[n].name);
        }
    }
    for (size_t n = 0; n < w->record->n_pfs && !policy->n_pfs; n++) {
        const char *bdf = w->record->pfs[n].bdf;

        if (!vdpad_find_pci(w->observed, bdf)) {
            /* A tear-down would take the devices of those that are left. */
            vdpad_text(text, sizeof text, "`teardown %s`, then `resume %s`",
                       policy->name, policy->name);
            vdpad_world_problem(
                r->world, key, bdf,
                "physical function %s, which was set up, is not there; its "
                "ports are kept for it.  If it has gone for good: %s%s",
                bdf,
                any ? "name those that are left in the policy, such as pf="
                    : "",
                any ? any : text);
        }
    }
    if (!policy->n_pfs && !any) {
        char vendor[16] = "", device[16] = "";

        if (policy->vendor) {
            vdpad_text(vendor, sizeof vendor, "vendor %04x", policy->vendor);
        }
        if (policy->device) {
            vdpad_text(device, sizeof device, "device %04x", policy->device);
        }
        vdpad_world_problem(r->world, key, "",
                            "no physical function here has %s%s%s; `pf/list "
                            "--json` shows those there are",
                            vendor, vendor[0] && device[0] ? ", " : "",
                            device);
    }
}

void
vdpad_resolve_policies(struct vdpad_resolver *r)
{
    const struct vdpad_config *c = r->world->config;

    if (!r->world->observed->class_[VDPAD_PCI].known) {
        return;
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        if (c->policies[i].suspended) {
            continue;
        }
        check_host(r, i);
        for (size_t j = 0; j < i && !r->refused[i]; j++) {
            if (applies(r, j)
                && c->policies[j].priority == c->policies[i].priority) {
                check_pair(r, j, i);
            }
        }
    }
}

void
vdpad_resolve_pf(const struct vdpad_resolver *r, struct vdpad_pf *pf)
{
    const struct vdpad_config *c = r->world->config;
    const struct vdpad_policy *leaves_it = NULL; /* To others. */
    const struct vdpad_pf_selector *s;

    pf->external = true;
    for (size_t i = 0; i < c->n_policies; i++) {
        const struct vdpad_policy *policy = &c->policies[i];

        if (!selects(r->world, policy, pf, &s)) {
            continue;
        }
        if (!applies(r, i)) {
            pf->frozen |= !policy->suspended;
            continue;
        }
        pf->managed = true;
        if (policy->mtu > pf->want_mtu) {
            pf->want_mtu = policy->mtu;
        }
        if (policy->externally_managed) {
            leaves_it = leaves_it ? leaves_it : policy;
            continue;
        }
        pf->external = false;
        if (pf->want_numvfs < 0) {
            pf->want_numvfs = policy->num_vfs;
            pf->numvfs_policy = policy;
        }
        if (pf->want_mode == VDPAD_ESWITCH_NONE) {
            pf->want_mode = policy->eswitch_mode;
            pf->mode_policy = policy;
        }
        pf->policy = pf->policy ? pf->policy : policy;
    }
    pf->policy = pf->policy ? pf->policy : leaves_it;
    pf->external = pf->external && pf->managed;
}

/* Tells of VFs that 'policy' names by its 'selector' and 'pf' neither has nor
 * will have. */
static void
check_range(struct vdpad_world *w, const struct vdpad_policy *policy,
            const struct vdpad_pf_selector *selector,
            const struct vdpad_pf *pf)
{
    int32_t n = pf->n_vf_policies;
    char key[VDPAD_NAME_SIZE];

    for (size_t i = 0; i < selector->n_ranges; i++) {
        const struct vdpad_range *range = &selector->ranges[i];

        if (range->last >= n) {
            vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s", policy->name);
            vdpad_world_problem(
                w, key, selector->name,
                "VF %d is in its ranges, and %s has %d VFs%s; ask for more "
                "with num-vfs, or correct the range",
                range->first > n ? range->first : n, pf->pci->bdf, n,
                pf->external ? ", made by others" : "");
            return;
        }
    }
}

void
vdpad_resolve_ranges(struct vdpad_resolver *r, const struct vdpad_pf *pf)
{
    const struct vdpad_config *c = r->world->config;
    const struct vdpad_pf_selector *s;

    for (size_t i = 0; i < c->n_policies; i++) {
        const struct vdpad_policy *policy = &c->policies[i];

        for (size_t j = 0; applies(r, i) && j < policy->n_pfs; j++) {
            if (names_pf(r->world, &policy->pfs[j], pf)
                && selects(r->world, policy, pf, &s)) {
                check_range(r->world, policy, &policy->pfs[j], pf);
            }
        }
    }
}

const struct vdpad_policy *
vdpad_resolve_vf(const struct vdpad_resolver *r, const struct vdpad_pf *pf,
                 int32_t index)
{
    const struct vdpad_config *c = r->world->config;

    if (pf->want_numvfs >= 0 && index >= pf->want_numvfs && pf->record
        && pf->record->numvfs == 0) {
        return NULL; /* We made it, and it is one too many. */
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        if (applies(r, i) && covers(r->world, &c->policies[i], pf, index)) {
            return &c->policies[i];
        }
    }
    return NULL;
}

enum vdpad_policy_status
vdpad_resolve_status(const struct vdpad_resolver *r, const char *name)
{
    const struct vdpad_world *w = r->world;
    const struct vdpad_config *c = w->config;
    const struct vdpad_record_policy *seen;
    char key[VDPAD_NAME_SIZE + sizeof VDPAD_KEY_POLICY];

    if (!w->db) {
        return VDPAD_POLICY_LOST;
    }
    if (vdpad_config_is_suspended(c, name)) {
        return VDPAD_POLICY_SUSPENDED;
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        if (!strcmp(c->policies[i].name, name)) {
            return r->refused[i]  ? VDPAD_POLICY_REFUSED
                   : r->unsure[i] ? VDPAD_POLICY_UNSURE
                                  : VDPAD_POLICY_APPLIED;
        }
    }
    vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s", name);
    if (vdpad_map_get(&w->db->external_ids, key)) {
        return VDPAD_POLICY_REFUSED;
    }
    seen = vdpad_record_find_policy(w->record, name);
    return seen && !strcmp(seen->db, w->db->uuid) ? VDPAD_POLICY_GONE
                                                  : VDPAD_POLICY_LOST;
}
