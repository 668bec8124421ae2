/* SPDX-License-Identifier: Apache-2.0 */

/* The world builder's plans and hosts as text. */

#include "world-builder.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_mac(FILE *f, const uint8_t mac[6])
{
    fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
            mac[4], mac[5]);
}

static const char *
mode_text(int64_t mode)
{
    return mode == VDPAD_ESWITCH_SWITCHDEV ? "switchdev"
           : mode == VDPAD_ESWITCH_LEGACY  ? "legacy"
                                           : "none";
}

static void
print_act(FILE *f, const struct vdpad_act *act)
{
    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_AUTOPROBE:
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_PORT_HW_ADDR:
        fprintf(f, " %lld", (long long) act->number);
        break;
    case VDPAD_ACT_ESWITCH_MODE:
        fprintf(f, " %s", mode_text(act->number));
        break;
    case VDPAD_ACT_FEATURE:
        fprintf(f, " %s", act->number ? "on" : "off");
        break;
    case VDPAD_ACT_LINK_UP:
        fprintf(f, " %s", act->number ? "up" : "down");
        break;
    case VDPAD_ACT_MODULE_LOAD:
    case VDPAD_ACT_VF_PROBE:
    case VDPAD_ACT_VF_UNBIND:
    case VDPAD_ACT_VDPA_ADD:
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
    case VDPAD_ACT_VDPA_UNBIND:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_VPORT_DEL:
    case VDPAD_ACT_FILTER_DEL:
    case VDPAD_ACT_N:
        break;
    }
    if (act->word[0]) {
        fprintf(f, " %s", act->word);
    }
    if (act->from[0]) {
        fprintf(f, " from %s", act->from);
    }
    if (act->has_mac) {
        fputs(" mac=", f);
        print_mac(f, act->mac);
    }
    if (act->mtu) {
        fprintf(f, " mtu=%u", act->mtu);
    }
    if (act->max_vqp) {
        fprintf(f, " max-vqp=%u", act->max_vqp);
    }
    if (act->force) {
        fputs(" force", f);
    }
}

static void
print_vlan(FILE *f, int64_t tag, const int64_t *trunks, size_t n)
{
    if (tag >= 0) {
        fprintf(f, " tag=%lld", (long long) tag);
    }
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "%s%lld", i ? "," : " trunks=", (long long) trunks[i]);
    }
}

static void
print_op(FILE *f, const struct vdpad_dbop *op, bool show_ids)
{
    if (op->port && op->bridge) {
        fprintf(f, " %s", op->bridge);
    }
    if (op->key && op->kind != VDPAD_DBOP_IFACE_EXTERNAL_ID) {
        fprintf(f, " %s", op->value);
    } else if (op->key && op->value) {
        fprintf(f, " %s=%s", op->key, op->value);
    } else if (op->key) {
        fprintf(f, " -%s", op->key);
    }
    print_vlan(f, op->tag, op->trunks, op->n_trunks);
    for (size_t i = 0; show_ids && i < op->ids.n; i++) {
        fprintf(f, " %s=%s", op->ids.kv[i].key, op->ids.kv[i].value);
    }
}

static void
print_rec(FILE *f, const struct vdpad_rec *rec)
{
    static const char *const names[] = {
        [VDPAD_REC_PF_NUMVFS] = "numvfs",
        [VDPAD_REC_PF_MODE] = "mode",
        [VDPAD_REC_PF_AUTOPROBE] = "autoprobe",
        [VDPAD_REC_PF_MTU] = "mtu",
        [VDPAD_REC_PF_TC] = "tc",
        [VDPAD_REC_VFS_ASKED] = "vfs-asked",
        [VDPAD_REC_VFS_MADE] = "vfs-made",
        [VDPAD_REC_PF_DEL] = "forget-pf",
        [VDPAD_REC_DEV] = "dev",
        [VDPAD_REC_DEV_DEL] = "forget-dev",
        [VDPAD_REC_PORT] = "port",
        [VDPAD_REC_VF] = "vf",
        [VDPAD_REC_VF_DEL] = "forget-vf",
        [VDPAD_REC_POLICY] = "policy",
        [VDPAD_REC_POLICY_DEL] = "forget-policy",
    };

    fprintf(f, "record %s %s", names[rec->kind], rec->object);
    if (rec->kind < VDPAD_REC_PF_DEL) {
        fprintf(f, " %d", rec->number);
    } else if (rec->kind == VDPAD_REC_DEV) {
        fprintf(f, " %s%s%s", rec->word, rec->name[0] ? " " : "", rec->name);
    } else if (rec->kind == VDPAD_REC_PORT) {
        fprintf(f, " %s", rec->word[0] ? rec->word : "(none)");
    }
}

char *
wb_plan_text(const struct wb *b)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (size_t i = 0; i < b->plan->n; i++) {
        const struct vdpad_step *s = &b->plan->steps[i];

        if (s->kind == VDPAD_STEP_RECORD) {
            if (!b->show_records) {
                continue;
            }
            print_rec(f, &s->rec);
        } else {
            fprintf(f, "%s %s", vdpad_step_action(s), vdpad_step_object(s));
            if (s->kind == VDPAD_STEP_KERNEL) {
                print_act(f, &s->act);
            } else {
                print_op(f, &s->op, b->show_ids);
            }
        }
        fprintf(f, "%s%s", s->deferred ? " (deferred)" : "",
                s->in_flight ? " (in flight)" : "");
        if (b->show_reasons && s->kind != VDPAD_STEP_RECORD) {
            fprintf(f, ": %s", s->reason);
        }
        fputc('\n', f);
    }
    fclose(f);
    return text;
}

static void
dump_link(FILE *f, const struct wb *b, const struct vdpad_link *link)
{
    const struct vdpad_feature *feature = wb_find_feature(b, link->name);

    fprintf(f, "link %s %s mtu %u%s tc %s\n", link->name, link->parent_dev,
            link->mtu, link->flags & IFF_UP ? " up" : "",
            !feature          ? "-"
            : feature->active ? "on"
                              : "off");
}

static void
dump_vdpa(FILE *f, const struct wb *b, const struct vdpad_vbus *vbus)
{
    const struct vdpad_vdpa *vdpa = wb_find_text(b, VDPAD_VDPA, vbus->name);

    fprintf(f, "vdpa %s %s driver %s", vbus->name, vbus->parent, vbus->driver);
    if (vdpa) {
        fprintf(f, " mtu %u max-vqp %u mac ", vdpa->mtu, vdpa->max_vqp);
        print_mac(f, vdpa->mac);
    }
    fputc('\n', f);
}

static void
dump_db(FILE *f, const struct wb *b)
{
    for (size_t i = 0; i < b->n_bridges; i++) {
        fprintf(f, "bridge %s\n", b->bridges[i].name);
    }
    for (size_t i = 0; i < b->n_ports; i++) {
        const struct wb_port *port = &b->ports[i];

        fprintf(f, "port %s %s", port->name, port->bridge);
        print_vlan(f, port->tag, port->trunks, port->n_trunks);
        for (size_t j = 0; j < port->ids.n; j++) {
            fprintf(f, " %s=%s", port->ids.kv[j].key, port->ids.kv[j].value);
        }
        fputc('\n', f);
    }
    for (size_t i = 0; i < b->other_config.n; i++) {
        fprintf(f, "other-config %s %s\n", b->other_config.kv[i].key,
                b->other_config.kv[i].value);
    }
}

char *
wb_dump(const struct wb *b)
{
    const struct vdpad_observed *o = &b->observed;
    const struct vdpad_pci *pci = o->class_[VDPAD_PCI].picture.rows;
    const struct vdpad_link *links = o->class_[VDPAD_LINK].picture.rows;
    const struct vdpad_vbus *vbus = o->class_[VDPAD_VBUS].picture.rows;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (size_t i = 0; i < o->class_[VDPAD_PCI].picture.n; i++) {
        const struct vdpad_eswitch *e = wb_find_eswitch(b, pci[i].bdf);

        fprintf(f, "pci %s driver %s numvfs %d autoprobe %d mode %s\n",
                pci[i].bdf, pci[i].driver, pci[i].numvfs, pci[i].autoprobe,
                e ? mode_text(e->mode) : "-");
    }
    for (size_t i = 0; i < o->class_[VDPAD_LINK].picture.n; i++) {
        dump_link(f, b, &links[i]);
    }
    for (size_t i = 0; i < o->class_[VDPAD_VBUS].picture.n; i++) {
        dump_vdpa(f, b, &vbus[i]);
    }
    fprintf(f, "qdiscs %zu\n", o->class_[VDPAD_QDISC].picture.n);
    dump_db(f, b);
    fclose(f);
    return text;
}
