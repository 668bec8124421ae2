/* SPDX-License-Identifier: Apache-2.0 */
/* What a schedule ends with, as facts that can be compared with those of the
 * run without faults. */
#include "campaign.h"

#include <assert.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Why something may be otherwise than without faults: nobody asks for it any
 * more, or what is there when it is asked for is accepted. */
static const char not_asked[] = "no key asks for it: as it was left";
static const char is_external[] = "others manage the PF";
static const char is_refused[] =
    "the driver refuses the mode with the VFs that there are, or without";
static const char is_untold[] = "the kernel does not tell it";
static const char is_chosen[] = "any device of the policy will do";
static const char is_blocked[] = "what blocks it comes first";
static const char is_scarce[] = "there are fewer devices than ports";
static const char is_name_shared[] =
    "of two devices of one name there is the one that came first";
const char end_is_theirs[] = "others have meddled with the port";

static void __attribute__((format(printf, 5, 6)))
add(struct end *end, const char *object, const char *field, const char *why,
    const char *format, ...)
{
    struct fact *fact = &end->facts[end->n];
    va_list args;

    assert(end->n < MAX_FACTS);
    end->n++;
    va_start(args, format);
    (void) vsnprintf(fact->value, sizeof fact->value, format, args);
    va_end(args);
    (void) snprintf(fact->object, sizeof fact->object, "%s", object);
    (void) snprintf(fact->field, sizeof fact->field, "%s", field);
    fact->why = why;
}

/* But for what names the device, and the verdict. */
static void
print_map(char *text, size_t size, const struct fdb_map *map, bool with_mac)
{
    static const char *const others[] = {
        "vdpa-device",
        "vdpa-offload",
        "vdpa-vf",
        "attached-mac",
    };
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < map->n; i++) {
        bool out = false;

        for (size_t j = 0; j < (with_mac ? 3 : 4); j++) {
            out |= !strcmp(map->kv[i].key, others[j]);
        }
        if (!out && n < size) {
            n += (size_t) snprintf(text + n, size - n, "%s=%s ",
                                   map->kv[i].key, map->kv[i].value);
        }
    }
}

static void
add_port(struct end *end, const char *object, const char *why, bool with_mac,
         const struct fdb_port *port)
{
    char text[sizeof end->facts[0].value];

    add(end, object, "bridge", why, "%s", port->bridge);
    print_map(text, sizeof text, &port->iface_ids, with_mac);
    add(end, object, "ids", why, "%s", text);
    print_map(text, sizeof text, &port->port_ids, with_mac);
    add(end, object, "port-ids", why, "%s", text);
    add(end, object, "tag", why, "%lld", (long long) port->tag);
    text[0] = '\0';
    for (size_t i = 0; i < port->n_trunks; i++) {
        size_t len = strlen(text);

        (void) snprintf(text + len, sizeof text - len, "%lld ",
                        (long long) port->trunks[i]);
    }
    add(end, object, "trunks", why, "%s", text);
    add(end, object, "mtu-request", why, "%lld",
        (long long) port->mtu_request);
    add(end, object, "ofport", why, "%s", port->ofport > 0 ? "ok" : "none");
}

static void
add_vdpa(struct campaign *c, struct end *end, const struct vf_wish *wish,
         const struct sim_vf *vf, const struct sim_vdpa *v)
{
    const char *why = c->sim->has_no_config ? is_untold
                      : !wish->is_vdpa      ? not_asked
                                            : NULL;

    add(end, vf->bdf, "vdpa", not_asked, "%s", v->name);
    add(end, vf->bdf, "owner", NULL, "%s", v->foreign_ns ? "foreign" : "us");
    /* Of a device of others that is not as wanted the driver is not either. */
    add(end, vf->bdf, "bus-driver",
        !wish->is_vdpa ? not_asked
        : v->foreign_ns && !strcmp(host_state_of(c, vf->bdf), "blocked")
            ? is_blocked
            : NULL,
        "%s", v->driver);
    add(end, vf->bdf, "mac", wish->has_mac ? why : not_asked,
        "%02x:%02x:%02x:%02x:%02x:%02x", v->mac[0], v->mac[1], v->mac[2],
        v->mac[3], v->mac[4], v->mac[5]);
    add(end, vf->bdf, "mtu",
        wish->may_have_port ? is_chosen
        : wish->mtu         ? why
                            : not_asked,
        "%u", v->mtu);
    add(end, vf->bdf, "max-vqp", wish->has_max_vqp ? why : not_asked, "%u",
        v->max_vqp);
}

/* Whether logical ports outnumber the devices that they can be put on: who
 * comes first has one. */
static bool
are_places_scarce(const struct campaign *c)
{
    int n = 0;

    for (unsigned int i = 0; i < N_PORTS; i++) {
        n -= c->intent.ports[i][0] != '\0';
    }
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; j < N_VFS; j++) {
            struct vf_wish wish;

            wish_for_vf(c, i, j, &wish);
            n += c->sim->pfs[i].vfs[j].present
                 && (wish.has_port || wish.may_have_port);
        }
    }
    return n < 0;
}

/* The representor, and its port. */
static void
add_rep(struct campaign *c, struct end *end, const struct pf_wish *pf,
        const struct vf_wish *wish, bool is_meddled, const struct sim_vf *vf)
{
    const struct sim_netdev *rep = &c->sim->netdevs[vf->rep];
    const struct fdb_port *port = fake_db_find_port(c->db, rep->link.name);
    const char *id = port ? fdb_get(&port->iface_ids, "iface-id") : NULL;
    const char *why = is_meddled            ? end_is_theirs
                      : wish->may_have_port ? is_chosen
                      : !wish->is_vdpa      ? not_asked
                                            : NULL;
    char lsp[24];

    add(end, vf->bdf, "rep", pf->has_mode ? NULL : not_asked, "there");
    add(end, vf->bdf, "rep-up", why || wish->is_attached ? why : not_asked,
        "%s", rep->link.flags & IFF_UP ? "up" : "down");
    add(end, vf->bdf, "rep-mtu", why || wish->mtu ? why : not_asked, "%u",
        rep->link.mtu);
    add(end, vf->bdf, "rep-tc", wish->is_vdpa ? NULL : not_asked, "%d",
        rep->feature);
    if (port) {
        add_port(end, vf->bdf, why, wish->has_mac && !c->sim->has_no_config,
                 port);
    }
    if (id && !strncmp(id, "lsp", 3)) {
        (void) snprintf(lsp, sizeof lsp, "port %.16s", id);
        add_port(end, lsp,
                 is_meddled             ? end_is_theirs
                 : are_places_scarce(c) ? is_scarce
                                        : NULL,
                 false, port);
    }
}

static void
add_vf(struct campaign *c, struct end *end, const struct pf_wish *pf, int i,
       int j)
{
    const struct sim_vf *vf = &c->sim->pfs[i].vfs[j];
    const struct sim_vdpa *v = host_vdpa_of(c, vf->bdf);
    struct vf_wish wish;

    wish_for_vf(c, i, j, &wish);
    add(end, vf->bdf, "driver",
        wish.is_vdpa || wish.is_vfio || !strcmp(vf->driver, "vfio-pci")
            ? NULL
            : not_asked,
        "%s", vf->driver);
    add(end, vf->bdf, "state", c->is_meddled[i][j] ? end_is_theirs : NULL,
        "%s", host_state_of(c, vf->bdf));
    if (v) {
        add_vdpa(c, end, &wish, vf, v);
    }
    if (vf->rep >= 0) {
        add_rep(c, end, pf, &wish, c->is_meddled[i][j], vf);
    }
}

/* Whether the mode, which comes before all else, is refused for good, since
 * VFs of others are there or a policy wants none; or was set before that. */
static bool
is_mode_refused(const struct campaign *c, const struct pf_wish *wish, int i)
{
    const struct sim_pf *pf = &c->sim->pfs[i];

    if (!wish->has_mode) {
        return false;
    }
    return pf->numvfs
               ? calm_is_mode_fixed(c, i) && c->host_numvfs[i]
                     && pf->mode != VDPAD_ESWITCH_SWITCHDEV
               : c->sim->order == SIM_ORDER_VFS_FIRST && wish->numvfs == 0;
}

/* Whether a device, or its representor, has kept a large MTU that nobody asks
 * for any more. */
static bool
is_mtu_kept(struct campaign *c, int i)
{
    for (int j = 0; j < N_VFS; j++) {
        const struct sim_vf *vf = &c->sim->pfs[i].vfs[j];
        const struct sim_vdpa *v = host_vdpa_of(c, vf->bdf);
        struct vf_wish wish;

        wish_for_vf(c, i, j, &wish);
        if (v && !wish.mtu
            && (v->mtu > 1500
                || (vf->rep >= 0
                    && c->sim->netdevs[vf->rep].link.mtu > 1500))) {
            return true;
        }
    }
    return false;
}

/* Whether hw-tc-offload, which nobody asks for any more, may have stayed on
 * for a device's sake. */
static bool
is_tc_kept(struct campaign *c, const struct pf_wish *wish, int i)
{
    bool any = false;

    for (int j = 0; j < N_VFS; j++) {
        any |= host_vdpa_of(c, c->sim->pfs[i].vfs[j].bdf) != NULL;
    }
    return any && !wish->has_mode;
}

static void
add_pf(struct campaign *c, struct end *end, int i)
{
    const struct sim_pf *pf = &c->sim->pfs[i];
    const struct sim_netdev *uplink = &c->sim->netdevs[pf->uplink];
    struct pf_wish wish;
    const char *state = host_state_of(c, pf->bdf);
    const char *why, *all, *kept;

    wish_for_pf(c, i, &wish);
    why = wish.is_external               ? is_external
          : is_mode_refused(c, &wish, i) ? is_refused
                                         : NULL;
    all = why;
    /* What blocks it comes before its uplink. */
    kept = why ? why : strcmp(state, "blocked") == 0 ? is_blocked : NULL;
    add(end, pf->bdf, "numvfs", why, "%d", pf->numvfs);
    add(end, pf->bdf, "mode",
        why || wish.has_mode || !wish.is_managed ? why : not_asked, "%d",
        pf->mode);
    add(end, pf->bdf, "autoprobe", why, "%d", pf->autoprobe);
    add(end, pf->bdf, "tc",
        kept || !is_tc_kept(c, &wish, i) ? kept : not_asked, "%d",
        uplink->feature);
    add(end, pf->bdf, "mtu", kept || !is_mtu_kept(c, i) ? kept : not_asked,
        "%u", uplink->link.mtu);
    add(end, pf->bdf, "state", why, "%s", state);
    for (int j = 0; j < pf->totalvfs; j++) {
        size_t n = end->n;
        struct vf_wish vf_wish;

        if (pf->vfs[j].present) {
            add_vf(c, end, &wish, i, j);
        }
        wish_for_vf(c, i, j, &vf_wish);
        why = all                      ? all
              : vf_wish.is_name_shared ? is_name_shared
              : vf_wish.is_vdpa && !wish.has_mode
                  ? not_asked /* But by a policy that leaves it to others. */
                  : NULL;
        for (; why && n < end->n; n++) {
            end->facts[n].why = why;
        }
    }
}

static bool
is_of_rep(const struct campaign *c, const char *name)
{
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; c->sim->pfs[i].used && j < N_VFS; j++) {
            int32_t rep = c->sim->pfs[i].vfs[j].rep;

            if (rep >= 0 && !strcmp(c->sim->netdevs[rep].link.name, name)) {
                return true;
            }
        }
    }
    return false;
}

static bool
has_ports(const struct campaign *c, const char *bridge)
{
    bool any = false;

    for (size_t i = 0; i < c->db->n_ports; i++) {
        any |= !strcmp(c->db->ports[i].bridge, bridge)
               && strcmp(c->db->ports[i].type, "internal") != 0;
    }
    return any;
}

static bool
is_any_external(const struct campaign *c)
{
    struct pf_wish wish;
    bool any = false;

    for (int i = 0; i < N_PFS; i++) {
        wish_for_pf(c, i, &wish);
        any |= wish.is_external || (wish.is_managed && !wish.has_mode);
    }
    return any;
}

/* Of a port that no representor has the name of. */
static const char *
why_without_rep(const struct campaign *c, const struct fdb_port *port)
{
    bool ours = fdb_get(&port->iface_ids, VDPAD_OWNER_KEY) != NULL;

    if (ours) {
        return is_any_external(c) ? is_external : NULL;
    }
    return strcmp(port->name, "foreign") != 0 ? end_is_theirs : NULL;
}

static void
add_db(struct campaign *c, struct end *end)
{
    const char *hw = fdb_get(&c->db->other_config, "hw-offload");

    add(end, "db", "hw-offload", wish_for_offload(c) ? NULL : not_asked, "%s",
        hw ? hw : "");
    for (size_t i = 0; i < c->db->n_bridges; i++) {
        const char *name = c->db->bridges[i].name;

        add(end, name, "bridge",
            is_any_external(c)   ? is_external
            : has_ports(c, name) ? NULL
                                 : not_asked,
            "there");
    }
    for (size_t i = 0; i < c->db->n_ports; i++) {
        const struct fdb_port *port = &c->db->ports[i];

        if (strcmp(port->type, "internal") != 0 && !is_of_rep(c, port->name)) {
            add_port(end, port->name, why_without_rep(c, port), false, port);
        }
    }
}

struct end *
end_of(struct campaign *c)
{
    struct end *end = calloc(1, sizeof *end);

    assert(end);
    for (int i = 0; i < N_PFS; i++) {
        if (c->sim->pfs[i].used) {
            add_pf(c, end, i);
        }
    }
    add_db(c, end);
    return end;
}

static const struct fact *
find(const struct end *end, const struct fact *like)
{
    for (size_t i = 0; i < end->n; i++) {
        if (!strcmp(end->facts[i].object, like->object)
            && !strcmp(end->facts[i].field, like->field)) {
            return &end->facts[i];
        }
    }
    return NULL;
}

/* Whether nothing of 'object' can be expected to be as in another run. */
static bool
is_left(const struct end *end, const char *object)
{
    for (size_t i = 0; i < end->n; i++) {
        if (!strcmp(end->facts[i].object, object)) {
            return end->facts[i].why == is_name_shared;
        }
    }
    return false;
}

/* Of the facts of 'a'; 'is_back': only of those that 'b' has not. */
static size_t
compare(const struct end *a, const struct end *b, bool is_back, char *text,
        size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        const struct fact *fact = &a->facts[i];
        const struct fact *other = find(b, fact);
        const char *theirs = other ? other->value : "(none)";
        size_t len = strlen(text);

        tally.facts += !(is_back && other);
        if (other && (is_back || !strcmp(fact->value, other->value))) {
            continue;
        }
        if (fact->why
            || (other ? other->why != NULL : is_left(b, fact->object))) {
            tally.excused++;
            continue;
        }
        n++;
        (void) snprintf(text + len, size - len, "%s %s: %s, not %s; ",
                        fact->object, fact->field,
                        is_back ? theirs : fact->value,
                        is_back ? fact->value : theirs);
    }
    return n;
}

bool
end_is_same(const struct end *before, const struct end *after, char *text,
            size_t size)
{
    for (size_t i = 0; i < before->n || i < after->n; i++) {
        const struct fact *a = i < before->n ? &before->facts[i] : NULL;
        const struct fact *b = i < after->n ? &after->facts[i] : NULL;

        if (!a || !b || strcmp(a->object, b->object) != 0
            || strcmp(a->field, b->field) != 0
            || strcmp(a->value, b->value) != 0) {
            (void) snprintf(text, size, "%s %s, %s becomes %s %s, %s",
                            a ? a->object : "", a ? a->field : "nothing",
                            a ? a->value : "", b ? b->object : "",
                            b ? b->field : "nothing", b ? b->value : "");
            return false;
        }
    }
    return true;
}

size_t
end_compare(const struct end *with, const struct end *without, char *text,
            size_t size)
{
    text[0] = '\0';
    return compare(with, without, false, text, size)
           + compare(without, with, true, text, size);
}
