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

const char *
host_state_of(struct campaign *c, const char *bdf)
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
