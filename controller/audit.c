/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "util.h"

#define SEC_NS INT64_C(1000000000)

const char *
vdpad_audit_class_name(enum vdpad_audit_class class_)
{
    switch (class_) {
    case VDPAD_AUDIT_LIVE:
        return "live";
    case VDPAD_AUDIT_STRANDED:
        return "stranded";
    case VDPAD_AUDIT_FOREIGN:
        return "foreign";
    case VDPAD_AUDIT_CLEAN:
    default:
        return "clean";
    }
}

/* Calls of the fact "vswitchd/PID" by number; NULL: no more. */
static const struct vdpad_host *
next_vswitchd(const struct vdpad_world *world, size_t *i)
{
    static const char prefix[] = "vswitchd/";
    const struct vdpad_host *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                        VDPAD_HOST,
                                                        vdpad_host);

    while (*i < VDPAD_OBSERVED_N(world->observed, VDPAD_HOST)) {
        const struct vdpad_host *row = &rows[(*i)++];

        if (!strncmp(row->name, prefix, sizeof prefix - 1)) {
            return row;
        }
    }
    return NULL;
}

static bool
is_fact(const struct vdpad_world *world, const char *name, const char *value)
{
    const struct vdpad_host *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                        VDPAD_HOST,
                                                        vdpad_host);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(world->observed, VDPAD_HOST);
         i++) {
        if (!strcmp(rows[i].name, name)) {
            return !strcmp(rows[i].value, value);
        }
    }
    return false;
}

bool
vdpad_audit_runs(const struct vdpad_world *world,
                 const struct vdpad_effect_state *effect)
{
    size_t i = 0;

    return effect->pid || next_vswitchd(world, &i);
}

/* Whether all processes of the host can be seen. */
static bool
sees_all(const struct vdpad_world *world)
{
    const struct vdpad_observed_class *host =
        &world->observed->class_[VDPAD_HOST];

    return host->known && !host->error
           && is_fact(world, "pid-namespace", "initial");
}

bool
vdpad_audit_sees_none(const struct vdpad_world *world,
                      const struct vdpad_effect_state *effect)
{
    return sees_all(world) && !vdpad_audit_runs(world, effect);
}

static void __attribute__((format(printf, 3, 4)))
say(struct vdpad_audit_ovs *ovs, enum vdpad_audit_owner owner,
    const char *format, ...)
{
    char text[sizeof ovs->text];
    va_list args;

    ovs->owner = owner;
    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args);
    va_end(args);
    vdpad_text(ovs->text, sizeof ovs->text, "%s", text);
}

/* The digits that 'text' begins with: what the helper writes. */
static int64_t
number(const char *text)
{
    int64_t n = 0;

    while (*text >= '0' && *text <= '9' && n < INT64_MAX / 20) {
        n = 10 * n + (*text++ - '0');
    }
    return n;
}

/* Of the one that runs. */
static void
judge_running(const struct vdpad_world *world,
              const struct vdpad_effect_state *effect, int32_t pid,
              int64_t age_ns, struct vdpad_audit_ovs *ret)
{
    bool configured = vdpad_hw_offload_configured(world->db);

    if (age_ns < VDPAD_AUDIT_GRACE_NS) {
        say(ret, VDPAD_OWNER_UNSURE,
            "ovs-vswitchd (pid %d) began %" PRId64 " s ago and may not have "
            "claimed all that is its own",
            pid, age_ns / SEC_NS);
    } else if (effect->pid != pid) {
        say(ret, VDPAD_OWNER_UNSURE,
            "ovs-vswitchd (pid %d) is not the one of this run directory", pid);
    } else if (!world->db || !world->db_connected) {
        say(ret, VDPAD_OWNER_UNSURE, "the database is not connected");
    } else if (effect->effect == VDPAD_EFFECT_YES) {
        say(ret, VDPAD_OWNER_RUNS, "ovs-vswitchd (pid %d) offloads", pid);
    } else if (effect->effect == VDPAD_EFFECT_NO && !configured) {
        say(ret, VDPAD_OWNER_OFF,
            "hw-offload is off, and not in effect in ovs-vswitchd (pid %d)",
            pid);
    } else {
        say(ret, VDPAD_OWNER_UNSURE,
            "whether ovs-vswitchd (pid %d) offloads is not certain: "
            "other_config:hw-offload is %s, in effect %s",
            pid, configured ? "true" : "false",
            effect->effect == VDPAD_EFFECT_NO ? "it is not" : "is not known");
    }
}

void
vdpad_audit_judge(const struct vdpad_world *world,
                  const struct vdpad_effect_state *effect, int64_t gone_ns,
                  int64_t now_ns, long ticks, struct vdpad_audit_ovs *ret)
{
    size_t i = 0;
    const struct vdpad_host *one = next_vswitchd(world, &i);

    if (!sees_all(world)) {
        say(ret, VDPAD_OWNER_UNSURE,
            "not all processes of the host can be seen");
    } else if (!one && effect->pid) {
        say(ret, VDPAD_OWNER_UNSURE,
            "the pid file of ovs-vswitchd is held (pid %d), though no process "
            "has that name",
            effect->pid);
    } else if (!one && gone_ns < VDPAD_AUDIT_GRACE_NS) {
        say(ret, VDPAD_OWNER_UNSURE,
            "no ovs-vswitchd runs, but one may be about to begin: it counts "
            "as gone after %" PRId64 " s",
            VDPAD_AUDIT_GRACE_NS / SEC_NS);
    } else if (!one) {
        say(ret, VDPAD_OWNER_GONE, "no ovs-vswitchd has run for %" PRId64 " s",
            gone_ns / SEC_NS);
    } else if (next_vswitchd(world, &i)) {
        say(ret, VDPAD_OWNER_UNSURE,
            "several processes are named ovs-vswitchd: it may be another "
            "one's");
    } else {
        int32_t pid = (int32_t) number(strchr(one->name, '/') + 1);
        int64_t began = number(one->value);
        int64_t began_ns = ticks > 0 && began < INT64_MAX / SEC_NS
                               ? began * (SEC_NS / ticks)
                               : now_ns; /* Nonsense: as if just now. */

        judge_running(world, effect, pid, now_ns - began_ns, ret);
    }
}

static const struct vdpad_tcprio *
tcprios(const struct vdpad_world *world, size_t *ret_n)
{
    *ret_n = VDPAD_OBSERVED_N(world->observed, VDPAD_TCPRIO);
    return VDPAD_OBSERVED_ROWS(world->observed, VDPAD_TCPRIO, vdpad_tcprio);
}

static const struct vdpad_qdisc *
qdiscs(const struct vdpad_world *world, size_t *ret_n)
{
    *ret_n = VDPAD_OBSERVED_N(world->observed, VDPAD_QDISC);
    return VDPAD_OBSERVED_ROWS(world->observed, VDPAD_QDISC, vdpad_qdisc);
}

static bool
is_in(const struct vdpad_audit_row *row, const struct vdpad_tcprio *t)
{
    return t->ifindex == row->ifindex && t->block == row->block
           && t->egress == row->egress;
}

/* Names that ovs-vswitchd gives to the netdevs of tunnels. */
static bool
is_tunnel_of(const struct vdpad_db_iface *iface, const char *name)
{
    static const struct {
        const char *prefix, *type;
    } tunnels[] = {
        { "genev_sys_", "geneve" }, { "vxlan_sys_", "vxlan" },
        { "gre_sys", "gre" },       { "ip6gre_sys", "ip6gre" },
        { "erspan_sys", "erspan" }, { "ip6erspan_sys", "ip6erspan" },
        { "udp_sys_", "bareudp" },  { "gtpu_sys_", "gtpu" },
    };

    for (size_t i = 0; i < sizeof tunnels / sizeof tunnels[0]; i++) {
        if (!strncmp(name, tunnels[i].prefix, strlen(tunnels[i].prefix))
            && !strcmp(iface->type, tunnels[i].type)) {
            return true;
        }
    }
    return false;
}

/* The Interface or bridge that netdev 'link' belongs to; NULL: none. */
static const char *
port_of(const struct vdpad_world *world, const struct vdpad_link *link)
{
    const struct vdpad_snapshot *db = world->db;
    const struct vdpad_link *master = link->master
                                          ? vdpad_find_link(world->observed,
                                                            link->master)
                                          : NULL;

    for (size_t i = 0; i < db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &db->ifaces[i];

        /* The port of a bond is as good as the bond; and one that was renamed
         * is still its port's by its number. */
        if (!strcmp(iface->name, link->name) || iface->ifindex == link->ifindex
            || (master && !strcmp(iface->name, master->name))
            || is_tunnel_of(iface, link->name)) {
            return iface->name;
        }
    }
    return vdpad_find_bridge(db, link->name) ? link->name : NULL;
}

/* Says whose the filters of Open vSwitch's in 'row' are, which 'world' has
 * on netdev 'ifindex'.  Returns false when they may be somebody's. */
static bool
is_ownerless(const struct vdpad_world *world,
             const struct vdpad_audit_ovs *ovs, int32_t ifindex,
             char proof[200])
{
    const struct vdpad_link *link = vdpad_find_link(world->observed, ifindex);
    const char *port;

    if (ovs->owner != VDPAD_OWNER_RUNS || !link) {
        vdpad_text(proof, 200, "%s",
                   link ? ovs->text : "its netdev is not known");
        return link
               && (ovs->owner == VDPAD_OWNER_GONE
                   || ovs->owner == VDPAD_OWNER_OFF);
    }
    port = port_of(world, link);
    if (port) {
        vdpad_text(proof, 200, "%s is a port of Open vSwitch (%s)", link->name,
                   port);
    } else {
        vdpad_text(proof, 200,
                   "%s is in no bridge of the ovs-vswitchd that "
                   "runs",
                   link->name);
    }
    return !port;
}

static bool
has_scope(const struct vdpad_qdisc *q, const struct vdpad_audit_row *row)
{
    return row->block ? q->ingress_block == row->block
                            || q->egress_block == row->block
                      : q->ifindex == row->ifindex;
}

/* Counts what is in 'row', and classifies it. */
static void
fill(const struct vdpad_world *world, const struct vdpad_audit_ovs *ovs,
     struct vdpad_audit_row *row)
{
    size_t n, n_qdiscs;
    const struct vdpad_tcprio *t = tcprios(world, &n);
    const struct vdpad_qdisc *q = qdiscs(world, &n_qdiscs);
    bool stranded = true;
    uint32_t last = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        if (is_in(row, &t[i])) {
            row->chains += t[i].chain != last;
            last = t[i].chain;
            row->filters += t[i].filters;
            row->ovs_filters += t[i].ovs_filters;
            row->hw_filters += t[i].hw_filters;
            row->has_foreign |= t[i].filters != t[i].ovs_filters
                                || !t[i].filters;
        }
    }
    for (size_t i = 0; i < n_qdiscs; i++) {
        const struct vdpad_link *link;
        char proof[200];
        size_t used = strlen(row->netdevs);

        if (!has_scope(&q[i], row)) {
            continue;
        }
        link = vdpad_find_link(world->observed, q[i].ifindex);
        vdpad_text(row->netdevs + used, sizeof row->netdevs - used, "%s%s",
                   used ? " " : "", link ? link->name : "?");
        /* One owner is enough. */
        if (!stranded) {
            continue;
        }
        stranded = is_ownerless(world, ovs, q[i].ifindex, proof);
        vdpad_copy(row->proof, sizeof row->proof, proof);
    }
    row->class_ = row->ovs_filters
                      ? stranded ? VDPAD_AUDIT_STRANDED : VDPAD_AUDIT_LIVE
                  : row->filters || row->has_foreign ? VDPAD_AUDIT_FOREIGN
                                                     : VDPAD_AUDIT_CLEAN;
    if (!row->ovs_filters) {
        vdpad_text(row->proof, sizeof row->proof,
                   row->class_ == VDPAD_AUDIT_CLEAN
                       ? "no filters"
                       : "without Open vSwitch's cookie");
    }
}

static void
add_row(struct vdpad_audit_row **rows, size_t *n, int32_t ifindex,
        uint32_t block, bool egress)
{
    for (size_t i = 0; block && i < *n; i++) {
        if ((*rows)[i].block == block) {
            return;
        }
    }
    *rows = vdpad_xrealloc(*rows, *n + 1, sizeof **rows);
    memset(&(*rows)[*n], 0, sizeof **rows);
    (*rows)[*n].ifindex = block ? 0 : ifindex;
    (*rows)[*n].block = block;
    (*rows)[(*n)++].egress = egress && !block;
}

struct vdpad_audit_row *
vdpad_audit(const struct vdpad_world *world, const struct vdpad_audit_ovs *ovs,
            size_t *ret_n)
{
    struct vdpad_audit_row *rows = NULL;
    size_t n_qdiscs, n = 0;
    const struct vdpad_qdisc *q = qdiscs(world, &n_qdiscs);

    for (size_t i = 0; i < n_qdiscs; i++) {
        add_row(&rows, &n, q[i].ifindex, q[i].ingress_block, false);
        if (q[i].clsact) {
            add_row(&rows, &n, q[i].ifindex, q[i].egress_block, true);
        }
    }
    for (size_t i = 0; i < n; i++) {
        fill(world, ovs, &rows[i]);
    }
    *ret_n = n;
    return rows;
}

static struct vdpad_act *
add_act(struct vdpad_act **acts, size_t *n, enum vdpad_act_kind kind,
        const struct vdpad_link *link)
{
    struct vdpad_act *act;

    *acts = vdpad_xrealloc(*acts, *n + 1, sizeof **acts);
    act = &(*acts)[(*n)++];
    memset(act, 0, sizeof *act);
    act->kind = (int32_t) kind;
    if (link) {
        act->ifindex = link->ifindex;
        vdpad_copy(act->object, sizeof act->object, link->name);
    }
    return act;
}

/* Whether it is one that Open vSwitch makes: clsact on its internal ports,
 * ingress elsewhere.  Where another program has made a clsact it uses that,
 * and leaves it there (tc_add_del_qdisc(), lib/tc.c of 3.1). */
static bool
is_of_ovs(const struct vdpad_world *world, const struct vdpad_qdisc *q)
{
    const struct vdpad_link *link = vdpad_find_link(world->observed,
                                                    q->ifindex);

    return !q->clsact || (link && !strcmp(link->kind, "openvswitch"));
}

/* Whether the qdisc that 'row' is part of is Open vSwitch's, and its other
 * hooks are empty or as stranded: then it can go as a whole.  The helper looks
 * again. */
static bool
can_go(const struct vdpad_world *world, const struct vdpad_qdisc *q)
{
    size_t n;
    const struct vdpad_tcprio *t = tcprios(world, &n);

    if (!is_of_ovs(world, q)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool is_its = t[i].block ? t[i].block == q->ingress_block
                                       || t[i].block == q->egress_block
                                 : t[i].ifindex == q->ifindex;

        if (is_its && (t[i].filters != t[i].ovs_filters || !t[i].filters)) {
            return false;
        }
    }
    return true;
}

struct vdpad_act *
vdpad_audit_steps(const struct vdpad_world *world,
                  const struct vdpad_audit_row *row, size_t *ret_n)
{
    struct vdpad_act *acts = NULL;
    size_t n, n_qdiscs;
    const struct vdpad_tcprio *t = tcprios(world, &n);
    const struct vdpad_qdisc *q = qdiscs(world, &n_qdiscs);
    bool whole = !row->has_foreign;

    *ret_n = 0;
    for (size_t i = 0; i < n_qdiscs; i++) {
        whole = whole && (!has_scope(&q[i], row) || can_go(world, &q[i]));
    }
    for (size_t i = 0; whole && i < n_qdiscs; i++) {
        if (has_scope(&q[i], row)) {
            struct vdpad_act *act = add_act(&acts, ret_n, VDPAD_ACT_QDISC_DEL,
                                            vdpad_find_link(world->observed,
                                                            q[i].ifindex));

            act->number = 1;
            vdpad_copy(act->word, sizeof act->word,
                       q[i].clsact ? "clsact" : "ingress");
        }
    }
    for (size_t i = 0; !whole && i < n; i++) {
        if (is_in(row, &t[i]) && t[i].ovs_filters) {
            struct vdpad_act *act = add_act(
                &acts, ret_n, VDPAD_ACT_FILTER_DEL,
                row->ifindex ? vdpad_find_link(world->observed, row->ifindex)
                             : NULL);

            if (row->block) {
                vdpad_text(act->object, sizeof act->object, "block %u",
                           row->block);
            }
            act->tc.block = row->block;
            act->tc.egress = row->egress;
            act->tc.chain = t[i].chain;
            act->tc.prio = t[i].prio;
        }
    }
    return acts;
}
