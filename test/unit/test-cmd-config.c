/* SPDX-License-Identifier: Apache-2.0 */
/* config/show, config/check, teardown, resume. */
#include "cmd-fixture.h"

static void
config_show(void **state)
{
    char key[] = "vdpa-policy-bad", word[] = "mtu=50";
    char reason[] = "68 or more", suspended[] = "gold";
    char *names[] = { suspended };

    (void) state;
    fix.errors[0] = (struct vdpad_config_error){ key, word, reason };
    fix.config.n_errors = 1;
    fix.problems[0] = (struct vdpad_problem){
        .key = "vdpa-port-lp9",
        .text = "no such device",
    };
    fix.world.n_problems = 1;
    fix.config.n_suspended = 1;
    fix.config.suspended = names;
    fix.external_ids[1] = (struct vdpad_kv){ "vdpa-suspended", "gold" };
    fix.db.external_ids.n = 2;
    fix.policy.max_vqp = -1;

    json_t *config = RUN_JSON("config/show"), *rows, *one;
    assert_members(config, "settings policies ports errors");
    rows = json_object_get(config, "settings");
    assert_int_equal(json_array_size(rows), 5);
    one = json_array_get(rows, 0);
    assert_members(one, "key value set");
    assert_string_equal(json_string_value(json_object_get(one, "key")),
                        "vdpa-bridge");
    assert_true(json_is_false(json_object_get(one, "set")));
    one = json_array_get(rows, 3);
    assert_true(json_is_true(json_object_get(one, "set")));
    assert_string_equal(json_string_value(
                            json_array_get(json_object_get(one, "value"), 0)),
                        "gold");
    one = json_array_get(json_object_get(config, "policies"), 0);
    assert_members(one, "name pf vendor device-id num-vfs externally-managed "
                        "eswitch-mode device-type vdpa-type max-vqp mtu mac "
                        "name-template priority suspended text");
    assert_string_equal(json_string_value(
                            json_array_get(json_object_get(one, "pf"), 0)),
                        "0000:65:00.0#0-1");
    assert_string_equal(json_string_value(json_object_get(one, "max-vqp")),
                        "max");
    one = json_array_get(json_object_get(config, "ports"), 0);
    assert_members(one, "iface-id device vf policy mac mtu tag trunks bridge "
                        "iface-id-ver vm-uuid text");
    rows = json_object_get(config, "errors");
    assert_int_equal(json_array_size(rows), 2);
    assert_members(json_array_get(rows, 1), "key word reason");
    json_decref(config);

    char *text = RUN("config/show");
    assert_contains(text, "KEY              SET  VALUE\n"
                          "vdpa-bridge      no   br-int\n"
                          "vdpa-hw-offload  no   true\n"
                          "vdpa-attach      no   auto\n"
                          "vdpa-suspended   yes  gold\n"
                          "vdpa-metrics     no   off\n"
                          "\n"
                          "vdpa-policy-gold\n");
    assert_contains(text, "\n  pf                  0000:65:00.0#0-1\n");
    assert_contains(text, "\nvdpa-port-lp1\n  iface-id      lp1\n");
    assert_contains(text, "\nvdpa-policy-bad  mtu=50  68 or more\n"
                          "vdpa-port-lp9    -       no such device");
    free(text);
}

static void
config_show_without_anything(void **state)
{
    (void) state;
    fix.db.external_ids.n = 0;
    fix.config.n_suspended = fix.config.n_errors = fix.world.n_problems = 0;
    fix.config.n_policies = fix.config.n_ports = 0;
    char *text = RUN("config/show");
    assert_contains(text, "vdpa-metrics     no   off\n\n"
                          "ERROR IN KEY  WORD  REASON\nnone");
    free(text);
    fix.world.db = NULL;
    text = RUN_ERROR("config/show");
    assert_contains(text, "the database has not been read yet");
    free(text);
}

/* What nobody understands is not shown as if it were the default. */
static void
config_show_of_refused_keys(void **state)
{
    (void) state;
    fix.config.bridge_refused = fix.config.attach_refused = true;
    fix.config.hw_offload_refused = fix.config.metrics_refused = true;
    char *text = RUN("config/show");
    assert_contains(text, "vdpa-bridge      no   -\n");
    assert_contains(text, "vdpa-attach      no   -\n");
    assert_contains(text, "vdpa-hw-offload  no   -\n");
    assert_contains(text, "vdpa-metrics     no   -\n");
    free(text);
}

/* What only this host makes impossible is refused beforehand, too. */
static void
config_check_looks_at_the_host(void **state)
{
    char *text = RUN_ERROR("config/check", "vdpa-policy-silver",
                           "pf=0000:65:00.0#2 num-vfs=129 vdpa-type=virtio");

    (void) state;
    assert_contains(text, "has at most 127 VFs (sriov_totalvfs)");
    free(text);
    static const struct vdpad_kv gold = {
        .key = "vdpa-policy-gold",
        .value = "pf=0000:65:00.0#1 vdpa-type=vhost",
    };

    fix.db.external_ids = (struct vdpad_map){ 1, &gold };
    text = RUN_ERROR("config/check", "vdpa-policy-silver",
                     "vendor=15b3 vdpa-type=virtio");
    assert_contains(text, "VF 1 of 0000:65:00.0 is also in policy gold");
    free(text);
    /* The name decides which of the two goes. */
    text = RUN_ERROR("config/check", "vdpa-policy-bronze",
                     "vendor=15b3 vdpa-type=virtio");
    assert_contains(text, "vdpa-policy-gold would be: pf: VF 1 of 0000:65:");
    free(text);
}

/* Names that only the record has: they are what status tells to tear down. */
static void
teardown_of_a_lost_policy(void **state)
{
    struct vdpad_record_policy lost = { .name = "bronze" };
    struct vdpad_record record = { .n_policies = 1, .policies = &lost };
    struct vdpad_request request;

    (void) state;
    fix.world.record = &record;
    START(&request, "teardown", "bronze");
    assert_string_equal(ctl.policy, "bronze");
    fixture_suspended(0, NULL);
    assert_false(request.is_error);
    free(request.text);
}

static void
config_check_accepts(void **state)
{
    char *text = RUN("config/check", "vdpa-policy-silver",
                     "pf=0000:66:00.0#4-5,7 num-vfs=8 vdpa-type=virtio");

    (void) state;
    assert_contains(text, "vdpa-policy-silver is valid:\n");
    assert_contains(text, "  pf                  0000:66:00.0#4-5,7\n");
    assert_contains(text, "  vdpa-type           virtio\n");
    free(text);
    text = RUN("config/check", "vdpa-bridge", "br0");
    assert_string_equal(text, "vdpa-bridge=br0 is valid");
    free(text);
    text = RUN("config/check", "vdpa-port-lp7", "vf=0000:65:00.3 tag=9");
    assert_contains(text, "  tag           9\n");
    free(text);
    json_t *o = RUN_JSON("config/check", "vdpa-attach", "none");
    assert_members(o, "key valid understood problems");
    assert_string_equal(json_string_value(json_object_get(o, "understood")),
                        "none");
    assert_int_equal(json_array_size(json_object_get(o, "problems")), 0);
    json_decref(o);
}

/* What status would say is said beforehand, though it is no refusal. */
static void
config_check_tells_problems(void **state)
{
    char *text = RUN("config/check", "vdpa-policy-silver",
                     "pf=0000:66:00.0 num-vfs=8 vdpa-type=virtio");

    (void) state;
    assert_contains(text, "vdpa-policy-silver is valid:\n");
    assert_contains(text, "\nPROBLEM WITH KEY    WORD          REASON\n"
                          "vdpa-policy-silver  0000:66:00.0  there is no "
                          "SR-IOV physical function 0000:66:00.0 on this "
                          "host");
    free(text);
    json_t *o = RUN_JSON("config/check", "vdpa-port-lp7", "device=nonesuch");
    assert_true(json_is_true(json_object_get(o, "valid")));
    json_t *problem = json_array_get(json_object_get(o, "problems"), 0);
    assert_members(problem, "key word reason");
    assert_string_equal(json_string_value(json_object_get(problem, "key")),
                        "vdpa-port-lp7");
    assert_string_equal(json_string_value(json_object_get(problem, "word")),
                        "nonesuch");
    json_decref(o);
}

static void
config_check_refuses(void **state)
{
    char *text = RUN_ERROR("config/check", "vdpa-policy-x",
                           "pf=0000:66:00.0 mtu=50 spin=1");

    (void) state;
    assert_contains(text, "vdpa-policy-x is refused: mtu=50 ");
    assert_contains(text, "; spin=1: ");
    free(text);
    text = RUN_ERROR("config/check", "vdpa-brigde", "br0");
    assert_contains(text, "no key \"vdpa-brigde\"; did you mean "
                          "\"vdpa-bridge\"? there are vdpa-bridge, ");
    free(text);
    text = RUN_ERROR("config/check", "vdpa-policy-\n", "\x1b[2J");
    assert_printable(text);
    text = RUN_ERROR("config/check", "vdpa-bridge");
    assert_contains(text, "usage: config/check KEY VALUE");
    free(text);
}

/* Makes the second device one that exists and is free. */
static void
second_device_exists(void)
{
    fix.devs[1].vdpa = &fix.vdpa[0];
}

static void
teardown_of_a_policy(void **state)
{
    struct vdpad_request request;

    (void) state;
    second_device_exists();
    START(&request, "teardown", "gold");
    assert_false(request.is_done);
    assert_string_equal(ctl.policy, "gold");
    assert_true(ctl.on);
    assert_false(ctl.force);
    fixture_suspended(0, NULL);
    assert_true(request.is_done && !request.is_error);
    assert_contains(request.text, "gold: suspended, and stays so until");
    assert_contains(request.text,
                    "refused, in use: kept until it is "
                    "released  in use by pid 4711 (qemu-system-x86)");
    assert_contains(request.text, "vdpa:0000:65:00.3  gold    torn down");
    free(request.text);
}

static void
teardown_of_all_as_json(void **state)
{
    struct vdpad_request request;

    (void) state;
    second_device_exists();
    START(&request, "teardown", "--all", "--json");
    assert_string_equal(ctl.policy, "*");
    fixture_suspended(0, NULL);
    json_t *o = fixture_parse(request.text);
    assert_members(o, "policy suspended devices");
    assert_members(json_array_get(json_object_get(o, "devices"), 0),
                   "name policy effect in_use");
    json_decref(o);
}

/* The holders must not be those of a moment ago. */
static void
teardown_looks_at_holders_first(void **state)
{
    struct vdpad_request request;

    (void) state;
    fixture_is_slow = true;
    fix.devs[0].n_holders = 0;
    START(&request, "teardown", "gold");
    assert_int_equal(ctl.n_refreshes, 1);
    assert_null(ctl.suspended_cb);
    fix.devs[0].n_holders = 1;
    fixture_refreshed(NULL);
    assert_true(request.is_error);
    free(request.text);
}

/* Nor those that somebody else began to wait for before. */
static void
teardown_joins_nobody(void **state)
{
    struct vdpad_request first, second;

    (void) state;
    fixture_is_slow = true;
    fix.devs[0].n_holders = 0;
    START(&first, "teardown", "gold");
    START(&second, "teardown", "gold");
    assert_int_equal(ctl.n_refreshes, 2);
    fix.devs[0].n_holders = 1;
    fixture_refreshed(NULL);
    fixture_refreshed(NULL);
    assert_true(first.is_error && second.is_error);
    free(first.text);
    free(second.text);
}

/* A guest that no process is seen to run is one all the same. */
static void
teardown_of_what_is_negotiated(void **state)
{
    char *text;

    (void) state;
    fix.devs[0].n_holders = 0;
    text = RUN_ERROR("teardown", "gold");
    assert_contains(text, "features 0x300000000 are negotiated on "
                          "vhost-vdpa-0, though no process");
    free(text);
}

/* Without a view of the holders nothing is promised. */
static void
teardown_without_a_view(void **state)
{
    struct vdpad_request request;

    (void) state;
    fix.devs[0].n_holders = 0;
    fix.vdpa[0].negotiated = 0;
    fix.observed.class_[VDPAD_HOLDER].error = -EACCES;
    START(&request, "teardown", "gold");
    fixture_suspended(0, NULL);
    assert_contains(request.text, "kept until one can see who uses it");
    free(request.text);
}

static void
teardown_with_all_in_use(void **state)
{
    struct vdpad_request request;
    char *text = RUN_ERROR("teardown", "gold");

    (void) state;
    assert_string_equal(text,
                        "nothing is torn down, since every device is "
                        "in use (--force takes them down all the same):\n"
                        "  vdpa:0000:65:00.2: in use by pid 4711 "
                        "(qemu-system-x86)");
    free(text);
    START(&request, "teardown", "--force", "gold");
    assert_true(ctl.force);
    fixture_suspended(0, NULL);
    assert_contains(request.text, "vdpa:0000:65:00.2  gold    torn down");
    free(request.text);
}

static void
teardown_refuses_nonsense(void **state)
{
    char *text = RUN_ERROR("teardown", "glod");

    (void) state;
    assert_string_equal(text, "no policy \"glod\"; did you mean \"gold\"? "
                              "there is gold");
    free(text);
    text = RUN_ERROR("teardown", "--force");
    assert_contains(text, "usage: teardown [--force] POLICY|--all");
    free(text);
    text = RUN_ERROR("teardown", "gold", "silver");
    assert_contains(text, "usage:");
    free(text);
    text = RUN_ERROR("teardown", "--fource", "gold");
    assert_contains(text, "usage:");
    free(text);
    fix.config.n_policies = 0;
    fix.world.n_devs = 0;
    text = RUN_ERROR("teardown", "--all");
    assert_contains(text, "there is no policy");
    free(text);
    text = RUN_ERROR("teardown", "*");
    assert_contains(text, "there is no policy");
    free(text);
}

static void
suspension_that_fails(void **state)
{
    struct vdpad_request request;
    struct vdpad_error why;

    (void) state;
    second_device_exists();
    START(&request, "teardown", "gold");
    vdpad_error_set(&why, -ENOSPC, "the disk is full");
    fixture_suspended(-ENOSPC, &why);
    assert_true(request.is_error);
    assert_string_equal(request.text, "teardown gold: vdpa-suspended could "
                                      "not be written: the disk is full");
    free(request.text);
    START(&request, "teardown", "--all");
    fixture_suspended(-ENOTCONN, NULL);
    assert_contains(request.text, "teardown all policies: vdpa-suspended "
                                  "could not be written: ");
    free(request.text);
}

static void
dry_run_suspends_nothing(void **state)
{
    char name[] = "gold";
    char *names[] = { name };
    char *text;

    (void) state;
    second_device_exists();
    ctl.dry_run = true;
    text = RUN_ERROR("teardown", "gold");
    assert_contains(text, "--dry-run and neither tears down");
    free(text);
    fix.config.n_suspended = 1;
    fix.config.suspended = names;
    text = RUN_ERROR("resume", "gold");
    assert_contains(text, "--dry-run and neither tears down");
    free(text);
}

static void
resume(void **state)
{
    struct vdpad_request request;
    char suspended[] = "gold", gone[] = "gone";
    char *names[] = { suspended, gone };

    (void) state;
    char *text = RUN("resume", "gold");
    assert_contains(text, "no policy is suspended");
    free(text);
    fix.config.n_suspended = 2;
    fix.config.suspended = names;
    START(&request, "resume", "gold");
    assert_string_equal(ctl.policy, "gold");
    assert_false(ctl.on);
    fixture_suspended(0, NULL);
    assert_contains(request.text, "gold: no longer suspended");
    assert_contains(request.text, "vdpa:0000:65:00.2  gold    set up again");
    free(request.text);

    /* A name that is left over can be cleared. */
    START(&request, "resume", "gone");
    fixture_suspended(0, NULL);
    assert_false(request.is_error);
    free(request.text);
    fix.config.n_suspended = 1;
    fix.config.suspended = &names[1];
    text = RUN("resume", "gold");
    assert_contains(text, "policy gold is not suspended");
    free(text);
    text = RUN_ERROR("resume", "--force");
    assert_contains(text, "usage: resume POLICY|--all");
    free(text);
}

/* The same members, whether or not there is something to do. */
static void
resume_json(void **state)
{
    static const char members[] = "policy suspended devices";
    struct vdpad_request request;
    char suspended[] = "gold", other[] = "silver";
    char *names[] = { suspended, other };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        const char *policy = i ? "--all" : "gold";
        json_t *tree = RUN_JSON("resume", policy);

        assert_members(tree, members);
        assert_string_equal(json_string_value(json_object_get(tree, "policy")),
                            i ? "*" : "gold");
        assert_true(json_is_false(json_object_get(tree, "suspended")));
        assert_int_equal(json_array_size(json_object_get(tree, "devices")), 0);
        json_decref(tree);
    }
    fix.config.suspended = &names[1];
    fix.config.n_suspended = 1;
    json_t *tree = RUN_JSON("resume", "gold");
    assert_members(tree, members);
    json_decref(tree);

    fix.config.suspended = names;
    START(&request, "resume", "gold", "--json");
    fixture_suspended(0, NULL);
    tree = fixture_parse(request.text);
    assert_members(tree, members);
    assert_true(json_is_false(json_object_get(tree, "suspended")));
    assert_int_not_equal(json_array_size(json_object_get(tree, "devices")), 0);
    json_decref(tree);
}

static void
resume_when_all_are_suspended(void **state)
{
    struct vdpad_request request;

    (void) state;
    fix.config.suspend_all = true;
    char *text = RUN_ERROR("resume", "gold");
    assert_contains(text, "use resume --all");
    free(text);
    START(&request, "resume", "--all");
    assert_string_equal(ctl.policy, "*");
    fixture_suspended(0, NULL);
    assert_contains(request.text, "all policies: no longer suspended");
    free(request.text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(config_show),
        fixture_test(config_show_without_anything),
        fixture_test(config_check_accepts),
        fixture_test(config_check_tells_problems),
        fixture_test(config_check_refuses),
        fixture_test(config_show_of_refused_keys),
        fixture_test(config_check_looks_at_the_host),
        fixture_test(teardown_of_a_lost_policy),
        fixture_test(teardown_of_a_policy),
        fixture_test(teardown_of_all_as_json),
        fixture_test(teardown_looks_at_holders_first),
        fixture_test(teardown_joins_nobody),
        fixture_test(teardown_of_what_is_negotiated),
        fixture_test(teardown_without_a_view),
        fixture_test(teardown_with_all_in_use),
        fixture_test(teardown_refuses_nonsense),
        fixture_test(suspension_that_fails),
        fixture_test(dry_run_suspends_nothing),
        fixture_test(resume),
        fixture_test(resume_json),
        fixture_test(resume_when_all_are_suspended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
