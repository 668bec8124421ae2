/* SPDX-License-Identifier: Apache-2.0 */

/* A host, a database, a configuration and what is remembered of them, built
 * from a few lines of text, so that a test of the planner reads as a table:
 *
 *     given(b, "pf 0000:65:00.0 totalvfs=4");
 *     given(b, "policy a pf=0000:65:00.0 num-vfs=2 vdpa-type=vhost");
 *     expect_plan(b, "autoprobe 0000:65:00.0 0\n"
 *                    "numvfs 0000:65:00.0 2\n");
 *     expect_state(b, "0000:65:00.0#1", "waiting", "does not exist");
 *
 * Statements, one a line (words in brackets may be left out; defaults are
 * shown):
 *
 *   pf BDF [totalvfs=8] [numvfs=0] [mode=legacy] [autoprobe=1]
 *      [driver=mlx5_core] [uplink=upBUS] [mtu=1500] [tc=off]
 *       BDF must be DDDD:BB:00.0; mode=- is a devlink instance that is not
 *       there, uplink=- a PF without netdev, tc=- one without the feature.
 *   vf BDF [driver=mlx5_core] [max-vqs=17] [rep=rBUSvINDEX] [rep-mtu=1500]
 *      [up] [tc=on] [hw-addr=] [mgmtdev=-]
 *       VF N of PF DDDD:BB:00.0 has device and function N + 2.  It gets a
 *       representor when its PF is in switchdev mode.  numvfs of the PF
 *       becomes at least N + 1.
 *   vdpa VF [name=vdpa:VF] [driver=vhost_vdpa] [mac=] [mtu=] [max-vqp=]
 *      [netdev=] [away] [chardev=-] [config=-]
 *   holder DEVICE PID COMMAND
 *   module NAME missing|loadable|loaded      all are loaded at first
 *   qdisc NETDEV [clsact]
 *   gone pf|vf|vdpa|link NAME                with all that is on it
 *   stale CLASS                              invalidated
 *   fails CLASS TEXT                         cannot be observed, old picture
 *   unseen CLASS TEXT                        likewise, never seen
 *
 *   bridge NAME                              br-int is there at first
 *   port NAME BRIDGE [ours VF] [type=] [ofport=1] [error=] [tag=]
 *      [trunks=1,2] [KEY=VALUE]...           KEYs of its Interface
 *   policy NAME WORDS    vdpa-policy-NAME    without WORDS the key is removed
 *   want ID WORDS        vdpa-port-ID        likewise
 *   key KEY VALUE        external_ids        likewise
 *   other-config KEY VALUE                   hw-offload=true is there at first
 *   no-bridge NAME | no-port NAME
 *   db connected | disconnected | none | other
 *
 *   record pf BDF [numvfs=] [mode=] [autoprobe=] [mtu=] [tc=]
 *   record dev VF POLICY [NAME]              without NAME: adopted
 *   record port VF IFACEID                   given to that port
 *   record vf VF                             given to vfio-pci
 *   record policy NAME [DATABASE]
 *   failed ACTION OBJECT TIMES ERRNO SECONDS due again after SECONDS
 *   flying ACTION OBJECT | stuck ACTION OBJECT TEXT
 *   force POLICY
 *   grace SECONDS
 */

#ifndef TEST_WORLD_BUILDER_H
#define TEST_WORLD_BUILDER_H

#include "controller/memory.h"
#include "controller/observed.h"
#include "controller/plan.h"
#include "controller/record.h"
#include "controller/world.h"

#define WB_SEC INT64_C(1000000000)
#define WB_MAX_IDS 32

/* A map column that can be changed. */
struct wb_map {
    size_t n;
    struct {
        char key[VDPAD_NAME_SIZE];
        char *value;
    } kv[WB_MAX_IDS];
};

struct wb_bridge {
    char name[VDPAD_NAME_SIZE];
    char uuid[VDPAD_UUID_SIZE];
};

/* A Port with its Interface. */
struct wb_port {
    char name[VDPAD_NAME_SIZE];
    char bridge[VDPAD_NAME_SIZE];
    char uuid[VDPAD_UUID_SIZE];
    char error[VDPAD_NAME_SIZE];
    char type[16];
    struct wb_map ids;
    int64_t ofport, tag;
    size_t n_trunks;
    int64_t trunks[8];
};

/* 'WB_ONLY_WITH_VFS': without VFs there is no e-switch. */
enum wb_order {
    WB_ANY_ORDER,
    WB_VFS_FIRST,
    WB_MODE_FIRST,
    WB_ONLY_WITH_VFS,
    WB_NO_MODE
};

struct wb {
    struct vdpad_observed observed;
    struct wb_map keys, other_config;
    size_t n_bridges, n_ports, allocated_ports;
    struct wb_bridge bridges[8];
    struct wb_port *ports;
    bool has_db, db_connected;
    char db_uuid[VDPAD_UUID_SIZE];
    struct vdpad_record *record;
    struct vdpad_memory *memory;
    int64_t now_ns;
    int32_t last_ifindex, last_chardev, last_virtio;
    uint32_t last_row;

    /* What expect_plan() prints beside action, object and values. */
    bool show_records, show_ids, show_reasons;

    /* How the kernel of wb_apply() behaves. */
    enum wb_order order; /* Of e-switch mode and numvfs. */
    bool is_late;        /* VFs appear by wb_appear(). */
    bool binds_others;   /* New vDPA devices are bound by themselves to
                                 * the other driver. */
    bool ignores_mtu;    /* vDPA devices always have MTU 1500. */

    /* What wb_apply_plan() makes fail, if not NULL: returns 0 or the error. */
    int (*fault)(const struct vdpad_step *step);

    /* The newest of each, made by wb_plan(); owned by the builder. */
    struct vdpad_snapshot *snapshot;
    struct vdpad_config *config;
    struct vdpad_world *world;
    struct vdpad_plan *plan;
};

/* cmocka's set-up and tear-down: '*state' is an empty host with a database. */
int wb_set_up(void **state);
int wb_tear_down(void **state);

/* Says one more statement or several. */
void given(struct wb *b, const char *text);

/* Builds the world and plans. */
void wb_plan(struct wb *b);

/* wb_plan(), then checks that the plan's steps are 'lines'. */
void expect_plan(struct wb *b, const char *lines);

/* Checks state and reason, of which 'part' is a part, of the device or PF
 * 'name' in the newest world. */
void expect_state(const struct wb *b, const char *name, const char *state,
                  const char *part);

/* Checks that the newest world has a problem with 'key' and a text that has
 * 'part'. */
void expect_problem(const struct wb *b, const char *key, const char *part);
void expect_no_problems(const struct wb *b);

/* The device or PF called 'name' (fails the test if there is none). */
const struct vdpad_dev *wb_dev(const struct wb *b, const char *name);
const struct vdpad_pf *wb_pf(const struct wb *b, const char *bdf);

/* The plan's steps as text, one a line; the caller frees it. */
char *wb_plan_text(const struct wb *b);

/* Everything that one can see of host and database, as text: equal when
 * nothing was changed.  The caller frees it. */
char *wb_dump(const struct wb *b);

/* Does one step as kernel and database would, without its mark of what was
 * observed.  Returns 0 or a negative errno, having changed nothing then. */
int wb_apply(struct wb *b, const struct vdpad_step *step);

/* Does all due steps of the newest plan, in order, and remembers what failed.
 * Returns how many there were, record's ones not counted. */
size_t wb_apply_plan(struct wb *b);

/* wb_plan() and wb_apply_plan(), until there is nothing left to do and nothing
 * deferred; waits out back-offs.  Fails the test after 'rounds'.  Returns how
 * many it took. */
unsigned int wb_converge(struct wb *b, unsigned int rounds);

/* The netdev gets another name. */
void wb_rename(struct wb *b, const char *name, const char *new_name);

/* Lets VFs that are late appear, 'n' of them per PF. */
void wb_appear(struct wb *b, int32_t n);

/* For the builder's own files. */
void *wb_add_row(struct wb *b, enum vdpad_class class_);
void wb_del_row(struct wb *b, enum vdpad_class class_, const void *row);
void *wb_find_text(const struct wb *b, enum vdpad_class class_,
                   const char *key);
struct vdpad_link *wb_find_link(const struct wb *b, const char *name);
struct vdpad_pci *wb_new_vf(struct wb *b, const char *pf, int32_t index);
struct vdpad_link *wb_new_representor(struct wb *b,
                                      const struct vdpad_pci *vf);
void wb_new_vdpa(struct wb *b, const char *vf, const char *name);
void wb_bind_vdpa(struct wb *b, const char *name, const char *driver);
void wb_del_vdpa(struct wb *b, const char *name);
void wb_del_link(struct wb *b, const char *name);
void wb_del_vf(struct wb *b, const char *vf);
void wb_set_vf_driver(struct wb *b, const char *vf, const char *driver);
struct vdpad_eswitch *wb_find_eswitch(const struct wb *b, const char *pf);
struct vdpad_mgmtdev *wb_find_mgmtdev(const struct wb *b, const char *vf);
struct vdpad_feature *wb_find_feature(const struct wb *b, const char *name);
void wb_set(struct wb_map *map, const char *key, const char *value);
const char *wb_get(const struct wb_map *map, const char *key);
struct wb_port *wb_find_port(const struct wb *b, const char *name);
struct wb_port *wb_new_port(struct wb *b, const char *name,
                            const char *bridge);
void wb_del_port(struct wb *b, const char *name);
void wb_new_bridge(struct wb *b, const char *name);
const struct vdpad_snapshot *wb_snapshot(struct wb *b);

#endif
