/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the way from the database to the plan.  The input is lines: "K=V" is
 * a key of Open_vSwitch.external_ids, "PORT/K=V" one of a port's Interface
 * (and the port, in br-int), "!N" says which host it is (see hosts[]).
 *
 * The record is empty: all that is there was made by others.  Whatever is
 * written, nothing is planned on rows without our mark, nothing is taken from
 * the kernel, and names are those of what is there. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/config.h>

#include "controller/lookup.h"
#include "controller/plan.h"
#include "test/fake/fake-db.h"
#include "test/fake/fake-sim.h"
#include "fuzz.h"

#define PF "0000:65:00.0"
#define SEC INT64_C(1000000000)
#define N_VFS 8 /* That there may be. */
#define FOREIGN_VF "0000:65:00.2"
#define FOREIGN "vdpa:" FOREIGN_VF

struct host {
    int numvfs, mode;
    bool has_device;  /* FOREIGN. */
    bool has_offload; /* The uplink: without, no device is looked at. */
    struct vdpad_observed observed;
};

static struct host hosts[] = {
    { .numvfs = 4,
      .mode = VDPAD_ESWITCH_SWITCHDEV,
      .has_device = true,
      .has_offload = true },
    { .numvfs = 4, .mode = VDPAD_ESWITCH_SWITCHDEV, .has_offload = true },
    { .numvfs = 0, .mode = VDPAD_ESWITCH_SWITCHDEV },
    { .numvfs = 4, .mode = VDPAD_ESWITCH_LEGACY, .has_device = true },
    { .numvfs = 4, .mode = VDPAD_ESWITCH_LEGACY },
    { .numvfs = 0, .mode = VDPAD_ESWITCH_LEGACY },
    { .numvfs = 4, .mode = VDPAD_ESWITCH_SWITCHDEV, .has_device = true },
};
#define N_HOSTS (sizeof hosts / sizeof hosts[0])

static void
do_act(struct sim *sim, const struct vdpad_act *act)
{
    struct vdpad_error why;
    int block;

    CHECK(!sim_apply(sim, act, false, &block, &why));
    sim_settle(sim);
}

static const struct host *
host(size_t i)
{
    struct host *h = &hosts[i];
    struct vdpad_observed *o = &h->observed;
    struct sim *sim;

    if (o->class_[VDPAD_PCI].known) {
        return h;
    }
    sim = calloc(1, sizeof *sim);
    CHECK(sim);
    sim_init(sim);
    CHECK(!sim_add_pf(sim, PF, N_VFS, "up0"));
    for (int m = 0; vdpad_module_names[m]; m++) {
        (void) sim_set_module(sim, vdpad_module_names[m], VDPAD_MODULE_LOADED);
    }
    do_act(sim, &(struct vdpad_act){ .kind = VDPAD_ACT_NUMVFS,
                                     .object = PF,
                                     .number = h->numvfs });
    do_act(sim, &(struct vdpad_act){ .kind = VDPAD_ACT_ESWITCH_MODE,
                                     .object = PF,
                                     .number = h->mode });
    if (h->has_device) {
        do_act(sim, &(struct vdpad_act){ .kind = VDPAD_ACT_VDPA_ADD,
                                         .object = FOREIGN,
                                         .word = "pci/" FOREIGN_VF });
    }
    if (h->has_offload) {
        do_act(sim, &(struct vdpad_act){
                        .kind = VDPAD_ACT_FEATURE,
                        .ifindex = sim_find_netdev(sim, "up0")->link.ifindex,
                        .object = "up0",
                        .number = 1 });
    }
    for (int c = 0; c < VDPAD_N_CLASSES; c++) {
        o->class_[c].known = o->class_[c].fresh = true;
        o->class_[c].at_ns = 100 * SEC;
        sim_picture(sim, (enum vdpad_class) c, &o->class_[c].picture);
    }
    free(sim);
    return h;
}

static bool
is_utf8(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char) *text > 126) {
            return false; /* Valid UTF-8 at any rate. */
        }
    }
    return true;
}

/* Returns the host. */
static const struct host *
fill(struct fake_db *db, char *text)
{
    unsigned int n = 0;
    size_t which = 0;

    for (char *line; n++ < 64 && (line = strsep(&text, "\n"));) {
        char *value = strchr(line, '=');
        char *key = strchr(line, '/');

        if (line[0] == '!') {
            which = (unsigned char) line[1] % N_HOSTS;
            continue;
        }
        if (!value || !is_utf8(line)) {
            continue;
        }
        *value++ = '\0';
        if (!key || key > value) {
            fake_db_set_key(db, line, value);
            continue;
        }
        *key++ = '\0';
        if (line[0]) {
            (void) fake_db_add_port(db, "br-int", line);
            fake_db_set_iface_key(db, line, key, value);
        }
    }
    return host(which);
}

/* A name that leads nowhere else in sysfs. */
static void
check_name(const char *name, size_t size)
{
    CHECK(strnlen(name, size) < size);
    CHECK(!strchr(name, '/') && strcmp(name, ".") && strcmp(name, ".."));
    for (const char *p = name; *p; p++) {
        CHECK((unsigned char) *p > ' ' && *p != 0x7f);
    }
}

static const struct vdpad_pci *
find_pci(const struct host *h, const char *bdf)
{
    const struct vdpad_pci *pci = vdpad_find_pci(&h->observed, bdf);

    CHECK(pci);
    return pci;
}

/* Whether one of the steps before 'step' makes 'name', in the same batch. */
static bool
is_made_before(const struct vdpad_plan *plan, const struct vdpad_step *step,
               const char *name)
{
    for (const struct vdpad_step *s = plan->steps; s < step; s++) {
        if (s->kind == VDPAD_STEP_KERNEL && s->act.kind == VDPAD_ACT_VDPA_ADD
            && s->lane == step->lane && !strcmp(s->act.object, name)) {
            return true;
        }
    }
    return false;
}

static bool
is_covered(const struct vdpad_world *world, const char *name)
{
    for (size_t i = 0; i < world->n_devs; i++) {
        if (world->devs[i].policy && !strcmp(world->devs[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Objects are there, and no other program loses what it has made. */
static void
check_act(const struct host *h, const struct vdpad_world *world,
          const struct vdpad_plan *plan, const struct vdpad_step *step)
{
    const struct vdpad_act *act = &step->act;
    const struct vdpad_link *link;
    const char *vf;

    check_name(act->object, sizeof act->object);
    check_name(act->from, sizeof act->from);
    CHECK(act->object[0] && !act->force);
    if (act->kind != VDPAD_ACT_VDPA_ADD) {
        check_name(act->word, sizeof act->word);
    }
    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_MODULE_LOAD:
        CHECK(vdpad_find_module(&h->observed, act->object));
        break;
    case VDPAD_ACT_AUTOPROBE:
        /* Only so that new VFs are not bound yet. */
        CHECK(!strcmp(act->object, PF) && !act->number && !h->numvfs);
        break;
    case VDPAD_ACT_NUMVFS:
        CHECK(!strcmp(act->object, PF) && !h->numvfs);
        CHECK(act->number > 0 && act->number <= N_VFS);
        break;
    case VDPAD_ACT_ESWITCH_MODE:
        /* It would take the device away. */
        CHECK(!strcmp(act->object, PF) && !h->has_device);
        CHECK(act->number == VDPAD_ESWITCH_LEGACY
              || act->number == VDPAD_ESWITCH_SWITCHDEV);
        CHECK(act->number != h->mode);
        break;
    case VDPAD_ACT_VF_PROBE:
        CHECK(find_pci(h, act->object)->vf_index >= 0);
        CHECK(!h->has_device || strcmp(act->object, FOREIGN_VF));
        break;
    case VDPAD_ACT_VDPA_ADD:
        CHECK(!strncmp(act->word, "pci/", 4));
        vf = act->word + 4;
        check_name(vf, sizeof act->word - 4);
        CHECK(find_pci(h, vf)->vf_index >= 0);
        CHECK(!h->has_device
              || (strcmp(act->object, FOREIGN) && strcmp(vf, FOREIGN_VF)));
        break;
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
        /* Of one that a policy covers, whoever has made it. */
        CHECK(is_covered(world, act->object));
        CHECK((h->has_device && !strcmp(act->object, FOREIGN))
              || is_made_before(plan, step, act->object));
        CHECK(act->kind == VDPAD_ACT_VDPA_SET_MAC
              || !strcmp(act->word, "vhost_vdpa")
              || !strcmp(act->word, "virtio_vdpa"));
        break;
    case VDPAD_ACT_FEATURE:
    case VDPAD_ACT_LINK_UP:
        CHECK(act->number == 1);
        /* fall through */
    case VDPAD_ACT_LINK_MTU:
        link = vdpad_find_link(&h->observed, act->ifindex);
        CHECK(link && !strcmp(link->name, act->object));
        CHECK(act->number > 0 && act->number <= 65535);
        break;
    case VDPAD_ACT_PORT_HW_ADDR:
        CHECK(!strcmp(act->object, PF));
        break;
    case VDPAD_ACT_VF_UNBIND:
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_UNBIND:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_FILTER_DEL:
    case VDPAD_ACT_VPORT_DEL:
    case VDPAD_ACT_N:
    default:
        /* Nothing is ours. */
        fprintf(stderr, "%d %s\n", act->kind, act->object);
        abort();
    }
}

/* So is what is kept in mind. */
static void
check_rec(const struct host *h, const struct vdpad_rec *rec)
{
    CHECK(memchr(rec->object, '\0', sizeof rec->object) != NULL);
    CHECK(memchr(rec->word, '\0', sizeof rec->word) != NULL);
    CHECK(memchr(rec->name, '\0', sizeof rec->name) != NULL);
    /* It is never ours but when we make it. */
    CHECK(rec->kind != VDPAD_REC_DEV || !h->has_device
          || strcmp(rec->object, FOREIGN_VF) || !rec->name[0]);
}

static void
check_step(const struct host *h, const struct vdpad_world *world,
           const struct vdpad_snapshot *db, const struct vdpad_plan *plan,
           const struct vdpad_step *step)
{
    const struct vdpad_db_iface *iface = NULL;

    CHECK(vdpad_step_action(step)[0]);
    if (step->kind == VDPAD_STEP_KERNEL) {
        check_act(h, world, plan, step);
    } else if (step->kind == VDPAD_STEP_RECORD) {
        check_rec(h, &step->rec);
    } else if (step->op.port && step->op.kind != VDPAD_DBOP_PORT_ADD) {
        iface = vdpad_find_iface(db, step->op.port);
        CHECK(iface && vdpad_iface_is_ours(iface));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vdpad_record record = { 0 };
    struct fake_db *db = fake_db_new();
    char *text = calloc(1, size + 1);
    struct vdpad_memory *memory = vdpad_memory_new();
    struct vdpad_snapshot *snapshot;
    struct vdpad_config *config;
    struct vdpad_world *world;
    struct vdpad_plan *plan;
    const struct host *h;

    CHECK(text);
    memcpy(text, data, size);
    fake_db_add_bridge(db, "br-int");
    h = fill(db, text);
    snapshot = fake_db_snapshot(db, 1);
    config = vdpad_config_parse(&snapshot->external_ids);
    world = vdpad_world_new(&h->observed, snapshot, true, config, &record,
                            "seed");
    plan = vdpad_plan_new(world, memory, 101 * SEC);
    for (size_t i = 0; i < plan->n; i++) {
        check_step(h, world, snapshot, plan, &plan->steps[i]);
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        CHECK(world->devs[i].state < VDPAD_N_STATES);
    }
    vdpad_plan_free(plan);
    vdpad_world_free(world);
    vdpad_config_free(config);
    fake_db_snapshot_free(snapshot);
    vdpad_memory_free(memory);
    fake_db_free(db);
    free(text);
    return 0;
}
