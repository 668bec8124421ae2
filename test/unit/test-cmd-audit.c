/* SPDX-License-Identifier: Apache-2.0 */
/* offload/audit: what counts as stranded, and that nothing else is removed. */
#include "cmd-fixture.h"

#include "controller/audit.h"

#define SEC INT64_C(1000000000)
#define TICKS 100

/* p0vf0 (11) is a port; p0vf1 (12) and the tunnel (20) are none. */
static struct vdpad_qdisc qdiscs[4];
static struct vdpad_tcprio tcprios[6];
static struct vdpad_link links[6];
static struct vdpad_host host[4];

static struct vdpad_act submitted[8];
static size_t n_submitted;
static vdpad_done_cb *done_cb;
static void *done_aux;

static int
submit(struct vdpad_kernel *kernel, const struct vdpad_act *acts, size_t n,
       vdpad_done_cb *cb, void *aux)
{
    (void) kernel;
    assert_int_equal(n, 1);
    assert_true(n_submitted < N_ELEMS(submitted));
    submitted[n_submitted++] = acts[0];
    done_cb = cb;
    done_aux = aux;
    return 0;
}

static const struct vdpad_kernel_ops ops = { .submit = submit };

static void
set_rows(enum vdpad_class class_, void *rows, size_t n)
{
    fix.observed.class_[class_].picture.rows = rows;
    fix.observed.class_[class_].picture.n = n;
}

static int
set_up(void **state)
{
    fixture_set_up(state);
    n_submitted = 0;
    ctl.kernel.kernel.ops = &ops;
    ctl.effect = (struct vdpad_effect_state){
        .effect = VDPAD_EFFECT_YES,
        .pid = 77,
    };
    memcpy(links, fix.links, sizeof fix.links);
    links[3] = (struct vdpad_link){ .ifindex = 20, .name = "genev_sys_6081" };
    links[4] = (struct vdpad_link){ .ifindex = 21, .name = "eth7" };
    qdiscs[0] = (struct vdpad_qdisc){ .ifindex = 11 };
    qdiscs[1] = (struct vdpad_qdisc){ .ifindex = 12 };
    qdiscs[2] = (struct vdpad_qdisc){ .ifindex = 20 };
    qdiscs[3] = (struct vdpad_qdisc){ .ifindex = 21, .clsact = true };
    tcprios[0] = (struct vdpad_tcprio){
        .ifindex = 11, .prio = 2, .filters = 3, .ovs_filters = 3
    };
    tcprios[1] = (struct vdpad_tcprio){
        .ifindex = 12, .prio = 2, .filters = 2, .ovs_filters = 2
    };
    tcprios[2] = (struct vdpad_tcprio){
        .ifindex = 20, .chain = 5, .prio = 3, .filters = 1, .ovs_filters = 1
    };
    tcprios[3] = (struct vdpad_tcprio){ .ifindex = 21,
                                        .prio = 9,
                                        .filters = 4 };
    host[0] = (struct vdpad_host){ "pid-namespace", "initial" };
    host[1] = (struct vdpad_host){ "vswitchd/77", "100" };
    set_rows(VDPAD_QDISC, qdiscs, 4);
    set_rows(VDPAD_TCPRIO, tcprios, 4);
    set_rows(VDPAD_LINK, links, 5);
    set_rows(VDPAD_HOST, host, 2);
    return 0;
}

#define audit_test(NAME) \
    cmocka_unit_test_setup_teardown(NAME, set_up, fixture_tear_down)

/* Asserts the classes of the hooks: those of 11, 12, 20, 21's ingress. */
static void
assert_classes(int64_t gone_ns, int64_t now_ns, enum vdpad_audit_class port,
               enum vdpad_audit_class none, enum vdpad_audit_class tunnel,
               const char *proof)
{
    struct vdpad_audit_ovs ovs;
    struct vdpad_audit_row *rows;
    size_t n;

    vdpad_audit_judge(&fix.world, &ctl.effect, gone_ns, now_ns, TICKS, &ovs);
    rows = vdpad_audit(&fix.world, &ovs, &n);
    assert_int_equal(n, 5);
    assert_string_equal(vdpad_audit_class_name(rows[0].class_),
                        vdpad_audit_class_name(port));
    assert_string_equal(vdpad_audit_class_name(rows[1].class_),
                        vdpad_audit_class_name(none));
    assert_string_equal(vdpad_audit_class_name(rows[2].class_),
                        vdpad_audit_class_name(tunnel));
    assert_int_equal(rows[3].class_, VDPAD_AUDIT_FOREIGN);
    assert_int_equal(rows[4].class_, VDPAD_AUDIT_CLEAN);
    assert_true(rows[4].egress);
    assert_contains(rows[1].proof, proof);
    free(rows);
}

#define LIVE VDPAD_AUDIT_LIVE
#define STRANDED VDPAD_AUDIT_STRANDED
#define LONG_AGO (1000 * SEC)

static void
classes(void **state)
{
    (void) state;
    assert_classes(0, LONG_AGO, LIVE, STRANDED, STRANDED,
                   "p0vf1 is in no bridge of the ovs-vswitchd that runs");
    /* A tunnel's netdev is its port's. */
    fix.ifaces[0].type = "geneve";
    assert_classes(0, LONG_AGO, LIVE, STRANDED, LIVE, "in no bridge");
    fix.ifaces[0].type = "bareudp";
    assert_classes(0, LONG_AGO, LIVE, STRANDED, STRANDED, "in no bridge");
    strcpy(links[3].name, "udp_sys_6635");
    assert_classes(0, LONG_AGO, LIVE, STRANDED, LIVE, "in no bridge");
    fix.ifaces[0].type = "gtpu";
    strcpy(links[3].name, "gtpu_sys_2152");
    assert_classes(0, LONG_AGO, LIVE, STRANDED, LIVE, "in no bridge");
    fix.ifaces[0].type = "";
    /* A bond's port, and one that was renamed. */
    links[2].master = 11;
    assert_classes(0, LONG_AGO, LIVE, LIVE, STRANDED, "port of Open vSwitch");
    links[2].master = 0;
    fix.ifaces[0].ifindex = 12;
    assert_classes(0, LONG_AGO, LIVE, LIVE, STRANDED, "(p0vf0)");
    fix.ifaces[0].ifindex = 11;
    /* A bridge's own netdev. */
    strcpy(links[2].name, "br-int");
    assert_classes(0, LONG_AGO, LIVE, LIVE, STRANDED, "(br-int)");
}

static void
doubts(void **state)
{
    (void) state;
    /* It began 29 s ago: 100 ticks are one second after boot. */
    assert_classes(0, 30 * SEC, LIVE, LIVE, LIVE, "began 29 s ago");
    assert_classes(0, 31 * SEC, LIVE, STRANDED, STRANDED, "no bridge");
    ctl.effect.pid = 78;
    assert_classes(0, LONG_AGO, LIVE, LIVE, LIVE, "run directory");
    ctl.effect.pid = 77;
    fix.world.db_connected = false;
    assert_classes(0, LONG_AGO, LIVE, LIVE, LIVE, "not connected");
    fix.world.db_connected = true;
    ctl.effect.effect = VDPAD_EFFECT_UNKNOWN;
    assert_classes(0, LONG_AGO, LIVE, LIVE, LIVE, "is not known");
    ctl.effect.effect = VDPAD_EFFECT_NO;
    assert_classes(0, LONG_AGO, LIVE, LIVE, LIVE, "not certain");
    ctl.effect.effect = VDPAD_EFFECT_YES;
    host[2] = (struct vdpad_host){ "vswitchd/78", "100" };
    set_rows(VDPAD_HOST, host, 3);
    assert_classes(0, LONG_AGO, LIVE, LIVE, LIVE, "several processes");
    set_rows(VDPAD_HOST, host, 1);
    /* By another name. */
    assert_classes(LONG_AGO, LONG_AGO, LIVE, LIVE, LIVE, "is held (pid 77)");
    ctl.effect.pid = 0;
    assert_classes(29 * SEC, LONG_AGO, LIVE, LIVE, LIVE, "about to begin");
    assert_classes(30 * SEC, LONG_AGO, STRANDED, STRANDED, STRANDED,
                   "no ovs-vswitchd has run for 30 s");
    strcpy(host[0].value, "other");
    assert_classes(LONG_AGO, LONG_AGO, LIVE, LIVE, LIVE, "can be seen");
}

static void
switched_off(void **state)
{
    (void) state;
    ctl.effect.effect = VDPAD_EFFECT_NO;
    fix.other_config[0].value = "false";
    assert_classes(0, LONG_AGO, STRANDED, STRANDED, STRANDED,
                   "hw-offload is off, and not in effect");
    /* Off, but 3.1 goes on with it until it is restarted. */
    ctl.effect.effect = VDPAD_EFFECT_YES;
    assert_classes(0, LONG_AGO, LIVE, STRANDED, STRANDED, "no bridge");
}

/* A block is as live as any of those that share it. */
static void
blocks(void **state)
{
    struct vdpad_audit_ovs ovs;
    struct vdpad_audit_row *rows;
    struct vdpad_act *acts;
    size_t n, n_acts;

    (void) state;
    qdiscs[0].ingress_block = qdiscs[1].ingress_block = 7;
    tcprios[0].ifindex = tcprios[1].ifindex = 0;
    tcprios[0].block = tcprios[1].block = 7;
    tcprios[1].prio = 3;
    vdpad_audit_judge(&fix.world, &ctl.effect, 0, LONG_AGO, TICKS, &ovs);
    rows = vdpad_audit(&fix.world, &ovs, &n);
    assert_int_equal(n, 4);
    assert_int_equal(rows[0].block, 7);
    assert_string_equal(rows[0].netdevs, "p0vf0 p0vf1");
    assert_int_equal(rows[0].class_, LIVE);
    assert_int_equal(rows[0].filters, 5);
    free(rows);

    fix.db.n_ifaces = 0;
    rows = vdpad_audit(&fix.world, &ovs, &n);
    assert_int_equal(rows[0].class_, STRANDED);
    acts = vdpad_audit_steps(&fix.world, &rows[0], &n_acts);
    assert_int_equal(n_acts, 2);
    assert_int_equal(acts[1].kind, VDPAD_ACT_QDISC_DEL);
    assert_int_equal(acts[1].ifindex, 12);
    assert_int_equal(acts[1].number, 1);
    free(acts);
    free(rows);

    tcprios[0].filters++; /* One of another program. */
    rows = vdpad_audit(&fix.world, &ovs, &n);
    assert_int_equal(rows[0].class_, STRANDED);
    assert_true(rows[0].has_foreign);
    acts = vdpad_audit_steps(&fix.world, &rows[0], &n_acts);
    assert_int_equal(n_acts, 2);
    assert_int_equal(acts[0].kind, VDPAD_ACT_FILTER_DEL);
    assert_int_equal(acts[0].ifindex, 0);
    assert_string_equal(acts[0].object, "block 7");
    assert_int_equal(acts[1].tc.prio, 3);
    free(acts);
    free(rows);
}

/* Ends what is looked at until nothing more is asked for; returns how often
 * that was. */
static int
look(void)
{
    int n = 0;

    while (ctl.n_refreshes) {
        fixture_refreshed(NULL);
        n++;
    }
    return n;
}

/* Begins a command that observes first. */
static void
start(struct vdpad_request *request, const char *word)
{
    START(request, "offload/audit", word, "--json");
    look();
}

static json_t *
finished(struct vdpad_request *request)
{
    assert_true(request->is_done);
    assert_false(request->is_error);
    return fixture_parse(request->text);
}

static const char *
member(json_t *rows, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(rows, i), name));
}

static void
dry_run(void **state)
{
    struct vdpad_request request;

    (void) state;
    START(&request, "offload/audit", "--json");
    look();
    json_t *rows = finished(&request);
    assert_int_equal(json_array_size(rows), 5);
    assert_members(json_array_get(rows, 0),
                   "netdevs block hook class chains filters ovs_filters "
                   "hw_filters proof fix");
    assert_string_equal(member(rows, 0, "class"), "live");
    assert_string_equal(member(rows, 1, "class"), "stranded");
    assert_string_equal(member(rows, 1, "fix"),
                        "--fix would remove them with the qdisc");
    assert_string_equal(member(rows, 4, "hook"), "egress");
    json_decref(rows);
    assert_int_equal(n_submitted, 0);
}

static void
fix_removes_what_is_stranded(void **state)
{
    struct vdpad_request request;

    (void) state;
    tcprios[2].filters++; /* One of another program. */
    start(&request, "--fix");
    assert_int_equal(n_submitted, 1);
    assert_int_equal(submitted[0].kind, VDPAD_ACT_QDISC_DEL);
    assert_int_equal(submitted[0].ifindex, 12);
    assert_int_equal(submitted[0].number, 1);
    assert_false(request.is_done);
    done_cb(done_aux, &submitted[0], 0, NULL);
    assert_int_equal(look(), 1); /* The processes, again. */
    assert_int_equal(n_submitted, 2);
    assert_int_equal(submitted[1].kind, VDPAD_ACT_FILTER_DEL);
    assert_string_equal(submitted[1].object, "genev_sys_6081");
    assert_int_equal(submitted[1].tc.chain, 5);
    assert_int_equal(submitted[1].tc.prio, 3);

    struct vdpad_error why = { .code = -EPERM, .text = "not allowed" };
    done_cb(done_aux, &submitted[1], -EPERM, &why);
    look();
    json_t *rows = finished(&request);
    assert_string_equal(member(rows, 1, "fix"), "removed, with the qdisc");
    assert_string_equal(member(rows, 2, "fix"), "not removed: not allowed");
    json_decref(rows);
    assert_int_equal(n_submitted, 2);
}

/* ovs-vswitchd is restarted between two removals. */
static void
fix_stops_when_it_comes_back(void **state)
{
    struct vdpad_request request;

    (void) state;
    start(&request, "--fix");
    done_cb(done_aux, &submitted[0], 0, NULL);
    strcpy(host[1].value, "99999999999");
    look();
    json_t *rows = finished(&request);
    assert_contains(member(rows, 2, "fix"), "left alone: ovs-vswitchd");
    json_decref(rows);
    assert_int_equal(n_submitted, 1);
}

/* It comes back, or a removal fails, when some of a netdev's filters are gone:
 * what is left is not said to be removed. */
static void
fix_ends_in_the_middle(void **state)
{
    struct vdpad_error why = { .code = -EPERM, .text = "not allowed" };
    struct vdpad_request request;
    json_t *rows;

    (void) state;
    tcprios[1].filters++; /* One of another program. */
    tcprios[4] = tcprios[3];
    tcprios[3] = tcprios[2];
    tcprios[2] = tcprios[1];
    tcprios[2].prio = 3;
    set_rows(VDPAD_TCPRIO, tcprios, 5);
    start(&request, "--fix");
    assert_int_equal(submitted[0].tc.prio, 2);
    done_cb(done_aux, &submitted[0], 0, NULL);
    strcpy(host[1].value, "99999999999");
    look();
    rows = finished(&request);
    assert_int_equal(n_submitted, 1);
    assert_contains(member(rows, 1, "fix"),
                    "removed in part, the rest left: ovs-vswitchd");
    json_decref(rows);

    strcpy(host[1].value, "100");
    n_submitted = 0;
    start(&request, "--fix");
    done_cb(done_aux, &submitted[0], 0, NULL);
    look();
    assert_int_equal(submitted[1].tc.prio, 3);
    done_cb(done_aux, &submitted[1], -EPERM, &why);
    look();
    done_cb(done_aux, &submitted[2], 0, NULL);
    look();
    rows = finished(&request);
    assert_string_equal(member(rows, 1, "fix"),
                        "removed in part, the rest was not: not allowed");
    assert_string_equal(member(rows, 2, "fix"), "removed, with the qdisc");
    json_decref(rows);
}

/* Likewise the qdiscs of a block, whose filters go with the last. */
static void
fix_of_a_block_ends_in_the_middle(void **state)
{
    struct vdpad_request request;

    (void) state;
    fix.db.n_ifaces = 0;
    qdiscs[0].ingress_block = qdiscs[1].ingress_block = 7;
    tcprios[0].ifindex = tcprios[1].ifindex = 0;
    tcprios[0].block = tcprios[1].block = 7;
    start(&request, "--fix");
    assert_int_equal(submitted[0].ifindex, 11);
    done_cb(done_aux, &submitted[0], 0, NULL);
    strcpy(host[1].value, "99999999999");
    look();
    json_t *rows = finished(&request);
    assert_int_equal(n_submitted, 1);
    assert_contains(member(rows, 0, "fix"), "left alone: ovs-vswitchd");
    json_decref(rows);
}

/* Both hooks of a qdisc: the second goes with the first. */
static void
fix_of_two_hooks(void **state)
{
    struct vdpad_request request;

    (void) state;
    strcpy(links[4].kind, "openvswitch");
    tcprios[3].ovs_filters = tcprios[3].filters;
    tcprios[4] = tcprios[3];
    tcprios[4].egress = true;
    set_rows(VDPAD_TCPRIO, tcprios + 3, 2);
    start(&request, "--fix");
    assert_int_equal(submitted[0].kind, VDPAD_ACT_QDISC_DEL);
    assert_int_equal(submitted[0].ifindex, 21);
    set_rows(VDPAD_QDISC, qdiscs, 3);
    done_cb(done_aux, &submitted[0], 0, NULL);
    look();
    json_t *rows = finished(&request);
    assert_int_equal(n_submitted, 1);
    assert_string_equal(member(rows, 3, "fix"), "removed, with the qdisc");
    assert_string_equal(member(rows, 4, "fix"), "it has gone meanwhile");
    json_decref(rows);
}

/* Filters of Open vSwitch's in another program's qdisc, which stays. */
static void
fix_in_a_foreign_clsact(void **state)
{
    struct vdpad_request request;

    (void) state;
    tcprios[3].ovs_filters = tcprios[3].filters;
    set_rows(VDPAD_TCPRIO, tcprios + 3, 1);
    start(&request, "--fix");
    assert_int_equal(submitted[0].kind, VDPAD_ACT_FILTER_DEL);
    assert_int_equal(submitted[0].ifindex, 21);
    done_cb(done_aux, &submitted[0], 0, NULL);
    look();
    json_t *rows = finished(&request);
    assert_int_equal(n_submitted, 1);
    assert_string_equal(member(rows, 3, "fix"),
                        "removed; what is not Open vSwitch's was left");
    json_decref(rows);
}

/* Without any ovs-vswitchd it waits, and does not when there is nothing. */
static void
waits_for_a_restart(void **state)
{
    struct vdpad_request request;
    int64_t now = vdpad_loop_clock_ns();

    (void) state;
    set_rows(VDPAD_HOST, host, 1);
    ctl.effect.pid = 0;
    start(&request, "--fix");
    assert_false(request.is_done);
    vdpad_commands_run(now);
    assert_int_equal(ctl.n_refreshes, 0);
    vdpad_commands_run(now + 2 * SEC);
    assert_int_equal(ctl.n_refreshes, 1);
    assert_int_equal(ctl.refreshes[0].mask, 1u << VDPAD_HOST);
    set_rows(VDPAD_HOST, host, 2); /* It is back. */
    strcpy(host[1].value, "99999999999");
    look();
    json_t *rows = finished(&request);
    assert_string_equal(member(rows, 1, "class"), "live");
    json_decref(rows);
    assert_int_equal(n_submitted, 0);

    set_rows(VDPAD_HOST, host, 1);
    set_rows(VDPAD_TCPRIO, tcprios, 0);
    start(&request, "--fix");
    json_decref(finished(&request));
}

static void
refusals(void **state)
{
    char *text;

    (void) state;
    struct vdpad_request request;
    START(&request, "offload/audit", "--all");
    look();
    assert_true(request.is_error);
    assert_contains(request.text, "what is \"--all\"");
    free(request.text);
    ctl.dry_run = true;
    START(&request, "offload/audit", "--fix");
    look();
    assert_true(request.is_error);
    assert_contains(request.text, "--dry-run");
    free(request.text);
    fix.observed.class_[VDPAD_TCPRIO].error = -ETIMEDOUT;
    START(&request, "offload/audit");
    look();
    assert_true(request.is_error);
    text = request.text;
    assert_contains(text, "tcprio cannot be observed");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(classes),
        audit_test(doubts),
        audit_test(switched_off),
        audit_test(blocks),
        audit_test(dry_run),
        audit_test(fix_removes_what_is_stranded),
        audit_test(fix_stops_when_it_comes_back),
        audit_test(fix_ends_in_the_middle),
        audit_test(fix_of_a_block_ends_in_the_middle),
        audit_test(fix_of_two_hooks),
        audit_test(fix_in_a_foreign_clsact),
        audit_test(waits_for_a_restart),
        audit_test(refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
