/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the way from the database to the plan.  The input is lines: "K=V" is
 * a key of Open_vSwitch.external_ids, "PORT/K=V" one of a port's Interface
 * (and the port, in br-int).  Whatever others write, nothing is planned on
 * rows without our mark. */
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

/* A card in switchdev mode with four VFs, one of which has a device. */
static const struct vdpad_observed *
host(void)
{
    static struct vdpad_observed o;
    static struct sim *sim;
    struct vdpad_error why;
    int block;

    if (sim) {
        return &o;
    }
    sim = calloc(1, sizeof *sim);
    CHECK(sim);
    sim_init(sim);
    CHECK(!sim_add_pf(sim, PF, 8, "up0"));
    for (int i = 0; vdpad_module_names[i]; i++) {
        (void) sim_set_module(sim, vdpad_module_names[i], VDPAD_MODULE_LOADED);
    }
    (void) sim_apply(sim,
                     &(struct vdpad_act){
                         .kind = VDPAD_ACT_NUMVFS, .object = PF, .number = 4 },
                     false, &block, &why);
    (void) sim_apply(sim,
                     &(struct vdpad_act){ .kind = VDPAD_ACT_ESWITCH_MODE,
                                          .object = PF,
                                          .number = 1 },
                     false, &block, &why);
    (void) sim_apply(sim,
                     &(struct vdpad_act){ .kind = VDPAD_ACT_VDPA_ADD,
                                          .object = "vdpa:0000:65:00.2",
                                          .word = "pci/0000:65:00.2" },
                     false, &block, &why);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        o.class_[i].known = o.class_[i].fresh = true;
        o.class_[i].at_ns = 100 * SEC;
        sim_picture(sim, (enum vdpad_class) i, &o.class_[i].picture);
    }
    return &o;
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

static void
fill(struct fake_db *db, char *text)
{
    unsigned int n = 0;

    for (char *line; n++ < 64 && (line = strsep(&text, "\n"));) {
        char *value = strchr(line, '=');
        char *key = strchr(line, '/');

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
}

static void
check_step(const struct vdpad_snapshot *db, const struct vdpad_step *step)
{
    const struct vdpad_db_iface *iface = NULL;

    CHECK(vdpad_step_action(step)[0]);
    if (step->kind != VDPAD_STEP_DB) {
        return;
    }
    if (step->op.port && step->op.kind != VDPAD_DBOP_PORT_ADD) {
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

    CHECK(text);
    memcpy(text, data, size);
    fake_db_add_bridge(db, "br-int");
    fill(db, text);
    snapshot = fake_db_snapshot(db, 1);
    config = vdpad_config_parse(&snapshot->external_ids);
    world = vdpad_world_new(host(), snapshot, true, config, &record, "seed");
    plan = vdpad_plan_new(world, memory, 101 * SEC);
    for (size_t i = 0; i < plan->n; i++) {
        check_step(snapshot, &plan->steps[i]);
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
