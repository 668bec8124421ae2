/* SPDX-License-Identifier: Apache-2.0 */
/* The host of a schedule: what is there before the daemon comes, ovs-vswitchd
 * beside it, and what is to be seen at the end. */
#include "campaign.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Slots are taken lowest first. */
#define NETDEVS 256
#define VDPAS 64

/* ovs-vswitchd looks at netdevs this often; at the database when it
 * changes. */
#define VSWITCHD_NS (5 * SEC)

/* What others have made before the daemon starts. */
static void
add_foreign(struct campaign *c, struct rng *r, struct sim_pf *pf)
{
    struct vdpad_error why;
    int block;

    for (int i = 0; i < pf->numvfs; i++) {
        struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_ADD };

        if (chance(r, 15)) {
            struct vdpad_act unbind = { .kind = VDPAD_ACT_VF_UNBIND };

            memcpy(unbind.object, pf->vfs[i].bdf, sizeof pf->vfs[i].bdf);
            (void) sim_apply(c->sim, &unbind, false, &block, &why);
        }
        if (!chance(r, 30)) {
            continue;
        }
        (void) snprintf(act.word, sizeof act.word, "pci/%s", pf->vfs[i].bdf);
        if (chance(r, 50)) {
            (void) snprintf(act.object, sizeof act.object, "vdpa:%s",
                            pf->vfs[i].bdf);
        } else {
            (void) snprintf(act.object, sizeof act.object, "other%s",
                            pf->vfs[i].bdf);
        }
        act.mtu = chance(r, 30) ? 9000 : 0;
        if (!sim_apply(c->sim, &act, false, &block, &why)) {
            sim_find_vdpa(c->sim, act.object)->foreign_ns = 1;
        }
    }
}

void
host_make(struct campaign *c)
{
    struct rng *r = &c->host_rng;
    unsigned int n_pfs = 1 + any(r, 2);
    struct vdpad_error why;
    struct sim *sim;
    int block;
    int fd = open(c->sim_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert(fd >= 0 && !ftruncate(fd, sizeof *sim));
    sim = mmap(NULL, sizeof *sim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void) close(fd);
    assert(sim != MAP_FAILED);
    c->sim = sim;
    sim_init(sim);
    sim->now_ns = c->now_ns;
    sim->order = (int32_t) any(r, 3);
    sim->has_no_config = chance(r, 10);
    for (unsigned int i = 0; i < n_pfs; i++) {
        char bdf[VDPAD_BDF_SIZE], uplink[VDPAD_IFNAME_SIZE];
        struct vdpad_act act = { .kind = VDPAD_ACT_NUMVFS };
        struct sim_pf *pf;

        (void) snprintf(bdf, sizeof bdf, "0000:%02x:00.0", 0x65 + i);
        (void) snprintf(uplink, sizeof uplink, "up%u", i);
        (void) sim_add_pf(sim, bdf, N_VFS, uplink);
        pf = sim_find_pf(sim, bdf);
        pf->autoprobe = !chance(r, 20);
        sim->netdevs[pf->uplink].feature = chance(r, 30);
        memcpy(act.object, bdf, sizeof bdf);
        act.number = chance(r, 60) ? 0 : 1 + (int) any(r, 4);
        (void) sim_apply(sim, &act, false, &block, &why);
        if (chance(r, 30) && act.number) {
            act.kind = VDPAD_ACT_ESWITCH_MODE;
            act.number = VDPAD_ESWITCH_SWITCHDEV;
            (void) sim_apply(sim, &act, false, &block, &why);
        }
    }
    for (int i = 0; vdpad_module_names[i]; i++) {
        if (chance(r, 60)) {
            (void) sim_set_module(sim, vdpad_module_names[i],
                                  VDPAD_MODULE_LOADED);
        }
    }
    if (chance(r, 40)) {
        for (int i = 0; i < SIM_PFS; i++) {
            if (sim->pfs[i].used) {
                add_foreign(c, r, &sim->pfs[i]);
            }
        }
    }
    if (chance(r, 50)) {
        sim->vf_delay_ns = any(r, 300) * MS;
        sim->rep_delay_ns = any(r, 300) * MS;
    }
    if (chance(r, 40)) {
        sim->rename_delay_ns = (1 + any(r, 3000)) * MS;
    }
    c->db = fake_db_new();
    if (chance(r, 60)) {
        fake_db_add_bridge(c->db, "br-int");
    }
    fake_db_add_bridge(c->db, "br-other");
    fake_db_add_port(c->db, "br-other", "foreign");
    fake_db_set_iface_key(c->db, "foreign", "iface-id", "theirs");
    c->vswitchd_ns = c->now_ns;
}

void
host_forget(struct campaign *c)
{
    if (c->sim) {
        (void) munmap(c->sim, sizeof *c->sim);
        c->sim = NULL;
    }
    fake_db_free(c->db);
    c->db = NULL;
}

struct sim_vdpa *
host_vdpa_of(struct campaign *c, const char *bdf)
{
    for (int i = 0; i < VDPAS; i++) {
        struct sim_vdpa *v = &c->sim->vdpas[i];

        if (v->used && !strcmp(v->bus, "pci") && !strcmp(v->dev, bdf)) {
            return v;
        }
    }
    return NULL;
}

struct vf_truth *
host_vf_truth(struct campaign *c, const char *bdf)
{
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; c->sim->pfs[i].used && j < N_VFS; j++) {
            if (!strcmp(c->sim->pfs[i].vfs[j].bdf, bdf)) {
                return &c->vfs[i][j];
            }
        }
    }
    return NULL;
}

bool
host_is_held(struct campaign *c, const char *bdf)
{
    const struct sim_vdpa *v = host_vdpa_of(c, bdf);

    return v
           && (sim_find_holder(c->sim, v)
               || (v->netdev >= 0 && c->sim->netdevs[v->netdev].away));
}

/* Keeps since when each device is in use. */
void
host_note_holders(struct campaign *c)
{
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; c->sim->pfs[i].used && j < N_VFS; j++) {
            struct vf_truth *t = &c->vfs[i][j];

            if (!host_is_held(c, c->sim->pfs[i].vfs[j].bdf)) {
                t->held_ns = 0;
            } else if (!t->held_ns) {
                t->held_ns = c->now_ns;
            }
        }
    }
}

/* Takes ports, gives them numbers and their netdevs a qdisc. */
void
host_run_vswitchd(struct campaign *c)
{
    const char *hw = fdb_get(&c->db->other_config, "hw-offload");
    bool offload = hw && !strcmp(hw, "true");

    for (size_t i = 0; i < c->db->n_ports; i++) {
        const struct fdb_port *port = &c->db->ports[i];
        struct sim_netdev *dev = sim_find_netdev(c->sim, port->name);

        if (!strcmp(port->type, "internal")) {
            continue;
        }
        if (!dev) {
            fake_db_set_ofport(c->db, port->name, -1, "No such device");
        } else if (port->ofport < 0) {
            fake_db_set_ofport(c->db, port->name, ++c->last_ofport, "");
        }
        if (dev && offload) {
            dev->has_qdisc = true;
        }
    }
    for (int i = 0; i < NETDEVS; i++) {
        struct sim_netdev *dev = &c->sim->netdevs[i];

        if (dev->used && dev->has_qdisc
            && !fake_db_find_port(c->db, dev->link.name)) {
            dev->has_qdisc = false;
        }
    }
    c->vswitchd_version = c->db->version;
    c->vswitchd_ns = c->now_ns + VSWITCHD_NS;
}

static const char *
state_of(struct campaign *c, const char *bdf)
{
    const struct vdpad_world *w = c->ctl ? vdpad_ctl_world(c->ctl) : NULL;

    for (size_t i = 0; w && i < w->n_devs; i++) {
        if (w->devs[i].vf && !strcmp(w->devs[i].vf->bdf, bdf)) {
            return vdpad_state_name(w->devs[i].state);
        }
    }
    for (size_t i = 0; w && i < w->n_pfs; i++) {
        if (!strcmp(w->pfs[i].pci->bdf, bdf)) {
            return vdpad_state_name(w->pfs[i].state);
        }
    }
    return "-";
}

/* Whether some policy wants another driver than the kernel's for VF 'index' of
 * the PF 'bdf', or a vDPA device: only then is a VF taken from vfio-pci. */
static bool
is_covered(struct campaign *c, const char *bdf, int index)
{
    const struct vdpad_world *w = c->ctl ? vdpad_ctl_world(c->ctl) : NULL;

    for (size_t i = 0; w && i < w->n_pfs; i++) {
        const struct vdpad_pf *pf = &w->pfs[i];

        if (!strcmp(pf->pci->bdf, bdf)) {
            const struct vdpad_policy *policy = index < pf->n_vf_policies
                                                    ? pf->vf_policies[index]
                                                    : NULL;

            return policy
                   && (policy->device_type == VDPAD_DEV_VFIO
                       || policy->type != VDPAD_TYPE_NONE);
        }
    }
    return false;
}

/* Whether 'port' is there for a logical port alone, which a policy put on one
 * of its VFs: on which depends on history. */
static bool
is_of_policys_choice(const struct campaign *c, const struct fdb_port *port)
{
    const struct vdpad_world *w = c->ctl ? vdpad_ctl_world(c->ctl) : NULL;
    const char *id = fdb_get(&port->iface_ids, "iface-id");
    unsigned int i;

    return w && w->config->attach == VDPAD_ATTACH_DECLARED && id
           && sscanf(id, "lsp%u", &i) == 1 && i < N_PORTS
           && !strncmp(c->intent.ports[i], "policy=", strlen("policy="));
}

static void
print_vf(struct campaign *c, FILE *f, const struct sim_pf *pf, int index,
         bool states)
{
    const struct sim_vf *vf = &pf->vfs[index];
    const struct sim_vdpa *v = host_vdpa_of(c, vf->bdf);

    /* A driver that was bound for a policy stays after it. */
    fprintf(f, "vf %s driver %s", vf->bdf,
            states && is_covered(c, pf->bdf, index) ? vf->driver : "");
    /* A device that comes under another policy keeps its name and what that
     * policy does not ask for; that the rest is right is said by its state. */
    if (v) {
        fprintf(f, " vdpa %s%s",
                !states         ? v->name
                : v->foreign_ns ? ""
                                : v->driver,
                v->foreign_ns ? " foreign" : "");
    }
    if (states && vf->rep >= 0) {
        const struct sim_netdev *rep = &c->sim->netdevs[vf->rep];
        const struct fdb_port *port = fake_db_find_port(c->db, rep->link.name);

        fprintf(f, " rep");
        if (port && !c->are_ports_others && !is_of_policys_choice(c, port)) {
            fprintf(f, " port%s",
                    fdb_get(&port->iface_ids, VDPAD_OWNER_KEY) ? ""
                                                               : " foreign");
        }
    }
    fprintf(f, " %s\n", states ? state_of(c, vf->bdf) : "");
}

/* Logical ports are only counted: see is_of_policys_choice(). */
static void
print_counts(const struct campaign *c, FILE *f)
{
    unsigned int ids = 0;

    for (size_t i = 0; i < c->db->n_ports; i++) {
        const struct fdb_port *port = &c->db->ports[i];

        if (fdb_get(&port->iface_ids, VDPAD_OWNER_KEY)) {
            ids += fdb_get(&port->iface_ids, "iface-id") != NULL;
        }
    }
    fprintf(f, "%u ports with ids\n", ids);
}

/* What there is, as text for comparisons: without names and numbers that the
 * kernel gives as it pleases; 'states': also what the daemon adds to what
 * others had made, and how it calls that. */
char *
host_essence(struct campaign *c, bool states)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (int i = 0; i < SIM_PFS; i++) {
        const struct sim_pf *pf = &c->sim->pfs[i];

        if (!pf->used) {
            continue;
        }
        fprintf(f, "pf %s numvfs %d mode %d autoprobe %d tc %d", pf->bdf,
                pf->numvfs, pf->mode, pf->autoprobe,
                c->sim->netdevs[pf->uplink].feature);
        if (!states) {
            fprintf(f, " mtu %u", c->sim->netdevs[pf->uplink].link.mtu);
        }
        fprintf(f, " %s\n", states ? state_of(c, pf->bdf) : "");
        for (int j = 0; j < pf->totalvfs; j++) {
            if (pf->vfs[j].present) {
                print_vf(c, f, pf, j, states);
            }
        }
    }
    if (states && !c->are_ports_others) {
        print_counts(c, f);
    }
    if (!states && !c->are_ports_others) {
        for (size_t i = 0; i < c->db->n_ports; i++) {
            const struct fdb_port *port = &c->db->ports[i];

            if (fdb_get(&port->iface_ids, VDPAD_OWNER_KEY)) {
                fprintf(f, "port %s\n", port->name);
            }
        }
    }
    fclose(f);
    return text;
}
