/* SPDX-License-Identifier: Apache-2.0 */
/* A controller, a kernel, a store and a status socket that hold what a test
 * puts into them, so that commands can be run on worlds made by hand.
 *
 * It defines the functions of ctl.h and ovsdb-store.h that commands call, in
 * the test's own object file: in a library they would take the place of the
 * real ones in other tests too.  So include it in one file of a program. */
#ifndef CMD_FIXTURE_H
#define CMD_FIXTURE_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/devlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <vdpad/loop.h>
#include <vdpad/ovsdb-store.h>

#include "controller/cmd.h"
#include "controller/ctl.h"

#define N_ELEMS(ARRAY) (sizeof (ARRAY) / sizeof (ARRAY)[0])

/* The status socket. */

struct vdpad_request {
    bool is_done, is_error;
    char *text;
};

struct fixture_command {
    const char *name, *usage;
    int min, max;
    vdpad_command_cb *cb;
    void *aux;
};

static struct fixture_command fixture_commands[64];
static size_t fixture_n_commands;

void
vdpad_command_register(const char *name, const char *usage, int min, int max,
                       vdpad_command_cb *cb, void *aux)
{
    assert_true(fixture_n_commands < N_ELEMS(fixture_commands));
    fixture_commands[fixture_n_commands++]
        = (struct fixture_command) { name, usage, min, max, cb, aux };
}

static void
fixture_finish(struct vdpad_request *request, const char *text, bool error)
{
    assert_false(request->is_done);
    request->is_done = true;
    request->is_error = error;
    request->text = strdup(text);
}

void
vdpad_request_reply(struct vdpad_request *request, const char *text)
{
    fixture_finish(request, text, false);
}

void
vdpad_request_error(struct vdpad_request *request, const char *text)
{
    fixture_finish(request, text, true);
}

/* The kernel and the store: only what commands ask of them. */

struct fixture_kernel {
    struct vdpad_kernel kernel;
    struct vdpad_kernel_stats stats;
    struct vdpad_stuck stuck[4];
    size_t n_stuck;
};

static size_t
fixture_stuck(const struct vdpad_kernel *kernel, struct vdpad_stuck *stuck,
              size_t max)
{
    const struct fixture_kernel *k = (const struct fixture_kernel *) kernel;

    for (size_t i = 0; i < k->n_stuck && i < max; i++) {
        stuck[i] = k->stuck[i];
    }
    return k->n_stuck;
}

static void
fixture_stats(const struct vdpad_kernel *kernel,
              struct vdpad_kernel_stats *stats)
{
    *stats = ((const struct fixture_kernel *) kernel)->stats;
}

static const struct vdpad_kernel_ops fixture_kernel_ops = {
    .stuck = fixture_stuck,
    .stats = fixture_stats,
};

struct fixture_store {
    struct vdpad_store store;
    bool connected;
};

static bool
fixture_is_connected(const struct vdpad_store *store)
{
    return ((const struct fixture_store *) store)->connected;
}

static const char *
fixture_remote(const struct vdpad_store *store)
{
    (void) store;
    return "unix:/run/db.sock";
}

static const struct vdpad_store_ops fixture_store_ops = {
    .is_connected = fixture_is_connected,
    .remote = fixture_remote,
};

/* The controller. */

struct vdpad_ctl {
    struct vdpad_world *world;      /* NULL: the first turn is to come. */
    struct vdpad_plan plan;
    struct vdpad_history *history;
    struct vdpad_ctl_figures figures;
    struct fixture_kernel kernel;
    struct fixture_store store;
    int reconciles, resyncs;

    /* Refreshes asked for and not yet ended. */
    struct {
        unsigned int mask;
        bool compare;
        vdpad_refreshed_cb *cb;
        void *aux;
    } refreshes[16];
    size_t n_refreshes;

    /* The suspension asked for. */
    char policy[VDPAD_NAME_SIZE];
    bool on, force;
    vdpad_suspended_cb *suspended_cb;
    void *suspended_aux;
};

const struct vdpad_world *
vdpad_ctl_world(const struct vdpad_ctl *ctl)
{
    return ctl->world;
}

const struct vdpad_plan *
vdpad_ctl_plan(const struct vdpad_ctl *ctl)
{
    return ctl->world ? &ctl->plan : NULL;
}

const struct vdpad_kernel *
vdpad_ctl_kernel(const struct vdpad_ctl *ctl)
{
    return &ctl->kernel.kernel;
}

const struct vdpad_store *
vdpad_ctl_store(const struct vdpad_ctl *ctl)
{
    return &ctl->store.store;
}

struct vdpad_history *
vdpad_ctl_history(struct vdpad_ctl *ctl)
{
    return ctl->history;
}

void
vdpad_ctl_get_figures(const struct vdpad_ctl *ctl,
                      struct vdpad_ctl_figures *figures)
{
    *figures = ctl->figures;
}

void
vdpad_ctl_reconcile(struct vdpad_ctl *ctl)
{
    ctl->reconciles++;
}

void
vdpad_ctl_resync(struct vdpad_ctl *ctl)
{
    ctl->resyncs++;
}

void
vdpad_ctl_refresh(struct vdpad_ctl *ctl, unsigned int mask, bool compare,
                  vdpad_refreshed_cb *cb, void *aux)
{
    assert_true(ctl->n_refreshes < N_ELEMS(ctl->refreshes));
    ctl->refreshes[ctl->n_refreshes].mask = mask;
    ctl->refreshes[ctl->n_refreshes].compare = compare;
    ctl->refreshes[ctl->n_refreshes].cb = cb;
    ctl->refreshes[ctl->n_refreshes++].aux = aux;
}

void
vdpad_ctl_suspend(struct vdpad_ctl *ctl, const char *policy, bool on,
                  bool force, vdpad_suspended_cb *cb, void *aux)
{
    assert_null(ctl->suspended_cb);
    snprintf(ctl->policy, sizeof ctl->policy, "%s", policy);
    ctl->on = on;
    ctl->force = force;
    ctl->suspended_cb = cb;
    ctl->suspended_aux = aux;
}

/* A world of one PF with two VFs: a ready one that a guest holds and that is
 * attached and offloaded, and one that waits.  Tests change it as they
 * need. */

static struct fixture {
    struct vdpad_ctl ctl;
    struct vdpad_loop *loop;
    struct vdpad_world world;
    struct vdpad_observed observed;
    struct vdpad_config config;
    struct vdpad_snapshot db;
    struct vdpad_record record;

    struct vdpad_module modules[32];
    struct vdpad_pci pci[3];
    struct vdpad_link links[3];
    struct vdpad_eswitch eswitch;
    struct vdpad_dlport dlports[3];
    struct vdpad_vdpa vdpa[1];
    struct vdpad_vbus vbus[1];
    struct vdpad_feature features[3];
    struct vdpad_holder holders[1];
    struct vdpad_qdisc qdiscs[1];
    struct vdpad_flow flows[1];

    struct vdpad_kv external_ids[8], other_config[4];
    struct vdpad_kv ids[4], iface_config[2];
    struct vdpad_db_bridge bridges[1];
    struct vdpad_db_port ports[1];
    struct vdpad_db_iface ifaces[1];

    struct vdpad_policy policy;
    struct vdpad_pf_selector selector;
    struct vdpad_range range;
    struct vdpad_port_spec port;
    struct vdpad_config_error errors[1];
    struct vdpad_problem problems[1];
    struct vdpad_pf pf;
    struct vdpad_dev devs[2];
    struct vdpad_step steps[3];
} fix;

#define FIXTURE_ROWS(CLASS, ARRAY)                                          \
    do {                                                                    \
        struct vdpad_picture *p = &fix.observed.class_[CLASS].picture;      \
        p->rows = ARRAY;                                                    \
        p->n = N_ELEMS(ARRAY);                                              \
        p->row_size = sizeof (ARRAY)[0];                                    \
    } while (0)

static void
fixture_fill_kernel(void)
{
    static const int states[] = { VDPAD_MODULE_LOADED, VDPAD_MODULE_LOADED,
                                  VDPAD_MODULE_LOADABLE };
    size_t n_modules = 0;
    for (size_t i = 0; vdpad_module_names[i]; i++, n_modules++) {
        snprintf(fix.modules[i].name, sizeof fix.modules[i].name, "%s",
                 vdpad_module_names[i]);
        fix.modules[i].state = states[i % 3];
    }
    fix.pci[0] = (struct vdpad_pci) {
        .bdf = "0000:65:00.0", .vf_index = -1, .vendor = 0x15b3,
        .device = 0x101d, .numvfs = 2, .totalvfs = 127, .autoprobe = 1,
        .driver = "mlx5_core", .iommu_group = 7,
    };
    for (int i = 0; i < 2; i++) {
        fix.pci[i + 1] = (struct vdpad_pci) {
            .pf = "0000:65:00.0", .vf_index = i, .vendor = 0x15b3,
            .device = 0x101e, .numvfs = -1, .totalvfs = -1, .autoprobe = -1,
            .driver = "mlx5_core", .iommu_group = -1,
        };
        strcpy(fix.pci[i + 1].bdf, i ? "0000:65:00.3" : "0000:65:00.2");
        fix.links[i + 1] = (struct vdpad_link) {
            .ifindex = 11 + i, .mtu = 1500, .flags = IFF_UP, .carrier = true,
            .rx_packets = 100,
        };
        strcpy(fix.links[i + 1].name, i ? "p0vf1" : "p0vf0");
        fix.features[i + 1] = (struct vdpad_feature) {
            .ifindex = 11 + i, .supported = true, .active = true,
        };
        fix.dlports[i + 1] = (struct vdpad_dlport) {
            .bus = "pci", .dev = "0000:65:00.0", .index = (uint32_t) i + 1,
            .flavour = DEVLINK_PORT_FLAVOUR_PCI_VF, .controller = 0, .pf = 0,
            .vf = i, .sf = -1, .ifindex = 11 + i,
            .has_hw_addr = true, .hw_addr = { 2, 0, 0, 0, 1, (uint8_t) i },
        };
    }
    fix.links[0] = (struct vdpad_link) {
        .ifindex = 10, .name = "p0", .mtu = 1500, .flags = IFF_UP,
        .carrier = true, .switch_id_len = 2, .switch_id = { 0xab, 0xcd },
    };
    fix.features[0] = (struct vdpad_feature) { 10, "p0", true, true };
    fix.dlports[0] = (struct vdpad_dlport) {
        .bus = "pci", .dev = "0000:65:00.0",
        .flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL, .controller = -1, .pf = -1,
        .vf = -1, .sf = -1, .ifindex = 10, .ifname = "p0",
    };
    fix.eswitch = (struct vdpad_eswitch) {
        .bus = "pci", .dev = "0000:65:00.0",
        .mode = VDPAD_ESWITCH_SWITCHDEV, .inline_mode = 0, .encap_mode = 1,
        .driver = "mlx5_core", .fw_version = "22.31.1014",
    };
    fix.vdpa[0] = (struct vdpad_vdpa) {
        .name = "vdpa:0000:65:00.2", .bus = "pci", .dev = "0000:65:00.2",
        .id = 1, .vendor = 0x15b3, .max_vqs = 5, .max_vq_size = 256,
        .has_config = true, .has_mac = true, .has_mtu = true,
        .has_max_vqp = true, .has_status = true, .has_negotiated = true,
        .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500, .max_vqp = 2, .status = 1,
        .negotiated = 0x300000000,
    };
    fix.vbus[0] = (struct vdpad_vbus) {
        .name = "vdpa:0000:65:00.2", .parent = "0000:65:00.2",
        .driver = "vhost_vdpa", .chardev = "vhost-vdpa-0",
    };
    fix.holders[0] = (struct vdpad_holder) { "vhost-vdpa-0", 4711,
                                             "qemu-system-x86" };
    fix.qdiscs[0] = (struct vdpad_qdisc) { .ifindex = 11 };
    fix.flows[0] = (struct vdpad_flow) {
        .ifindex = 11, .hw_flows = 3, .hw_packets = 1000, .hw_bytes = 64000,
    };
    FIXTURE_ROWS(VDPAD_MODULE, fix.modules);
    fix.observed.class_[VDPAD_MODULE].picture.n = n_modules;
    FIXTURE_ROWS(VDPAD_PCI, fix.pci);
    FIXTURE_ROWS(VDPAD_LINK, fix.links);
    FIXTURE_ROWS(VDPAD_DLPORT, fix.dlports);
    FIXTURE_ROWS(VDPAD_VDPA, fix.vdpa);
    FIXTURE_ROWS(VDPAD_VBUS, fix.vbus);
    FIXTURE_ROWS(VDPAD_FEATURE, fix.features);
    FIXTURE_ROWS(VDPAD_HOLDER, fix.holders);
    FIXTURE_ROWS(VDPAD_QDISC, fix.qdiscs);
    FIXTURE_ROWS(VDPAD_FLOW, fix.flows);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct vdpad_observed_class *c = &fix.observed.class_[i];

        c->known = c->fresh = true;
        c->at_ns = vdpad_loop_clock_ns();
        c->picture.class_ = (enum vdpad_class) i;
    }
}

static void
fixture_fill_db(void)
{
    static char bridge[] = "br-int", name[] = "gold", template[] = "vdpa:%a";
    static char text[] = "pf=0000:65:00.0#0-1 vdpa-type=vhost";
    static char iface_id[] = "lp1", device[] = "vdpa:0000:65:00.2";

    fix.range = (struct vdpad_range) { 0, 1 };
    fix.selector = (struct vdpad_pf_selector) {
        .name = "0000:65:00.0", .is_bdf = true, .n_ranges = 1,
        .ranges = &fix.range,
    };
    fix.policy = (struct vdpad_policy) {
        .name = name, .text = text, .n_pfs = 1, .pfs = &fix.selector,
        .num_vfs = 2, .eswitch_mode = VDPAD_ESWITCH_SWITCHDEV,
        .type = VDPAD_TYPE_VHOST, .name_template = template, .priority = 99,
    };
    fix.port = (struct vdpad_port_spec) {
        .iface_id = iface_id, .text = device, .device = device, .tag = -1,
    };
    fix.config = (struct vdpad_config) {
        .bridge = bridge, .hw_offload = true, .attach = VDPAD_ATTACH_AUTO,
        .n_policies = 1, .policies = &fix.policy, .n_ports = 1,
        .ports = &fix.port, .errors = fix.errors,
    };
    fix.external_ids[0] = (struct vdpad_kv) { VDPAD_KEY_POLICY "gold", text };
    fix.other_config[0] = (struct vdpad_kv) { "hw-offload", "true" };
    fix.ids[0] = (struct vdpad_kv) { "attached-mac", "02:00:00:00:00:01" };
    fix.ids[1] = (struct vdpad_kv) { "iface-id", "lp1" };
    fix.ids[2] = (struct vdpad_kv) { VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE };
    fix.bridges[0] = (struct vdpad_db_bridge) { .name = "br-int" };
    fix.ports[0] = (struct vdpad_db_port) {
        .name = "p0vf0", .tag = 5, .vlan_mode = "", .n_ifaces = 1,
    };
    fix.ifaces[0] = (struct vdpad_db_iface) {
        .name = "p0vf0", .type = "", .error = "", .admin_state = "up",
        .link_state = "up", .ofport = 3, .ifindex = 11, .mtu = 1500,
        .external_ids = { 3, fix.ids },
        .other_config = { 0, fix.iface_config },
    };
    fix.db = (struct vdpad_snapshot) {
        .serial = 1, .ovs_version = "3.1.0",
        .external_ids = { 1, fix.external_ids },
        .other_config = { 1, fix.other_config },
        .n_bridges = 1, .n_ports = 1, .n_ifaces = 1, .bridges = fix.bridges,
        .ports = fix.ports, .ifaces = fix.ifaces,
    };
}

static void
fixture_fill_world(void)
{
    fix.pf = (struct vdpad_pf) {
        .pci = &fix.pci[0], .eswitch = &fix.eswitch, .uplink = &fix.links[0],
        .uplink_feature = &fix.features[0], .n_vfs = 2, .managed = true,
        .want_numvfs = 2, .want_mode = VDPAD_ESWITCH_SWITCHDEV,
        .policy = &fix.policy, .state = VDPAD_STATE_READY,
    };
    fix.devs[0] = (struct vdpad_dev) {
        .name = "vdpa:0000:65:00.2", .pf = &fix.pf, .vf_index = 0,
        .vf = &fix.pci[1], .vdpa = &fix.vdpa[0], .vbus = &fix.vbus[0],
        .dlport = &fix.dlports[1], .rep = &fix.links[1],
        .rep_feature = &fix.features[1], .flow = &fix.flows[0],
        .qdisc = &fix.qdiscs[0], .iface = &fix.ifaces[0],
        .holders = fix.holders, .n_holders = 1,
        .intent = VDPAD_INTENT_APPLY, .owner = VDPAD_OWNER_US,
        .policy = &fix.policy, .policy_name = "gold",
        .port_spec = &fix.port, .want_attach = true, .bridge = "br-int",
        .state = VDPAD_STATE_READY,
    };
    fix.devs[1] = (struct vdpad_dev) {
        .name = "vdpa:0000:65:00.3", .pf = &fix.pf, .vf_index = 1,
        .vf = &fix.pci[2], .dlport = &fix.dlports[2], .rep = &fix.links[2],
        .rep_feature = &fix.features[2], .intent = VDPAD_INTENT_APPLY,
        .policy = &fix.policy, .policy_name = "gold", .want_attach = true,
        .bridge = "br-int", .state = VDPAD_STATE_WAITING,
        .reason = "waiting for the management device of 0000:65:00.3",
    };
    fix.world = (struct vdpad_world) {
        .observed = &fix.observed, .db = &fix.db, .config = &fix.config,
        .record = &fix.record, .db_connected = true, .n_pfs = 1,
        .pfs = &fix.pf, .n_devs = 2, .devs = fix.devs,
        .problems = fix.problems,
    };
    fix.steps[0] = (struct vdpad_step) {
        .kind = VDPAD_STEP_KERNEL,
        .act = { .kind = VDPAD_ACT_VDPA_ADD, .object = "vdpa:0000:65:00.3" },
        .deferred = true, .reason = "policy gold wants it",
    };
    fix.steps[1] = (struct vdpad_step) { .kind = VDPAD_STEP_RECORD };
    fix.steps[2] = (struct vdpad_step) {
        .kind = VDPAD_STEP_DB,
        .op = { .kind = VDPAD_DBOP_PORT_ADD, .bridge = "br-int",
                .port = "p0vf1" },
        .reason = "attach=auto",
    };
}

/* Set-up and tear-down of every test. */
static int
fixture_set_up(void **state)
{
    (void) state;
    memset(&fix, 0, sizeof fix);
    fixture_n_commands = 0;
    fixture_fill_kernel();
    fixture_fill_db();
    fixture_fill_world();
    fix.ctl.world = &fix.world;
    fix.ctl.plan = (struct vdpad_plan) { .n = 3, .steps = fix.steps,
                                         .n_due = 1 };
    fix.ctl.kernel.kernel.ops = &fixture_kernel_ops;
    fix.ctl.store.store.ops = &fixture_store_ops;
    fix.ctl.store.connected = true;
    fix.ctl.history = vdpad_history_new();
    assert_int_equal(vdpad_loop_new(&fix.loop), 0);
    vdpad_commands_register(&fix.ctl, fix.loop);
    return 0;
}

static int
fixture_tear_down(void **state)
{
    (void) state;
    assert_int_equal(fix.ctl.n_refreshes, 0);
    assert_null(fix.ctl.suspended_cb);
    vdpad_history_free(fix.ctl.history);
    vdpad_loop_free(fix.loop);
    return 0;
}

/* Ends the refresh that was asked for first. */
static inline void
fixture_refreshed(const struct vdpad_observed *fresh)
{
    vdpad_refreshed_cb *cb = fix.ctl.refreshes[0].cb;
    void *aux = fix.ctl.refreshes[0].aux;

    assert_true(fix.ctl.n_refreshes > 0);
    memmove(&fix.ctl.refreshes[0], &fix.ctl.refreshes[1],
            --fix.ctl.n_refreshes * sizeof fix.ctl.refreshes[0]);
    cb(aux, fresh);
}

/* Ends the suspension that was asked for. */
static inline void
fixture_suspended(int error, const struct vdpad_error *why)
{
    vdpad_suspended_cb *cb = fix.ctl.suspended_cb;

    assert_non_null(cb);
    fix.ctl.suspended_cb = NULL;
    cb(fix.ctl.suspended_aux, error, why);
}

/* Runs "COMMAND ARG…", given with a NULL at its end. */
static inline void
fixture_start(struct vdpad_request *request, const char *const *args)
{
    const char *argv[8];
    int argc = 0;

    memset(request, 0, sizeof *request);
    while (args[argc]) {
        argv[argc] = args[argc];
        argc++;
    }
    for (size_t i = 0; i < fixture_n_commands; i++) {
        const struct fixture_command *c = &fixture_commands[i];

        if (!strcmp(c->name, argv[0])) {
            assert_in_range(argc - 1, c->min, c->max);
            c->cb(request, argc, argv, c->aux);
            return;
        }
    }
    fail_msg("no command %s", argv[0]);
}
#define START(REQUEST, ...) \
    fixture_start(REQUEST, (const char *const[]) { __VA_ARGS__, NULL })

/* The reply to a command that ends at once; the caller frees it. */
static inline char *
fixture_run(const char *const *args, bool expect_error)
{
    struct vdpad_request request;

    fixture_start(&request, args);
    assert_true(request.is_done);
    if (request.is_error != expect_error) {
        fail_msg("%s: %s", args[0], request.text);
    }
    return request.text;
}
#define RUN(...) \
    fixture_run((const char *const[]) { __VA_ARGS__, NULL }, false)
#define RUN_ERROR(...) \
    fixture_run((const char *const[]) { __VA_ARGS__, NULL }, true)

static inline json_t *
fixture_parse(char *text)
{
    json_error_t error;
    json_t *tree = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!tree) {
        fail_msg("%s in: %s", error.text, text);
    }
    free(text);
    return tree;
}
#define RUN_JSON(...) fixture_parse(RUN(__VA_ARGS__, "--json"))

/* Asserts that 'text' contains 'part'. */
static inline void
assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

/* Asserts that the members of 'object' are exactly 'names', separated by
 * blanks, in this order. */
static inline void
assert_members(json_t *object, const char *names)
{
    char found[1024] = "";
    const char *key;
    json_t *value;

    assert_true(json_is_object(object));
    json_object_foreach(object, key, value) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", used ? " " : "",
                 key);
    }
    assert_string_equal(found, names);
}

/* Asserts that lines of 'text' have no control characters, and free it. */
static inline void
assert_printable(char *text)
{
    for (const char *p = text; *p; p++) {
        assert_true((unsigned char) *p >= 0x20 || *p == '\n');
    }
    free(text);
}

#define fixture_test(NAME) \
    cmocka_unit_test_setup_teardown(NAME, fixture_set_up, fixture_tear_down)

#endif
