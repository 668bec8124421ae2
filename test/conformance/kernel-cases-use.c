/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that somebody uses: refused, forced, blocked, released. */
#include "kernel-cases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool
has_holder(int pid)
{
    struct vdpad_picture p;
    bool found = false;

    kc_picture(VDPAD_HOLDER, &p);
    for (size_t i = 0; i < p.n; i++) {
        const struct vdpad_holder *row = &VDPAD_ROWS(&p, vdpad_holder)[i];

        if (row->pid == pid) {
            assert_int_equal(strncmp(row->chardev, "vhost-vdpa-", 11), 0);
            assert_int_not_equal(row->command[0], '\0');
            found = true;
        }
    }
    vdpad_picture_clear(&p);
    return found;
}

static void
in_use_is_refused(void **state)
{
    struct vdpad_act acts[6];
    char bdf[VDPAD_BDF_SIZE], expected[32];
    struct kc_vdpa seen;
    int pid;

    (void) state;
    kc_make_vfs(2);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    pid = kc_env->ops->hold(kc_env, "conf0");
    assert_true(has_holder(pid));
    assert_int_not_equal(snprintf(expected, sizeof expected, "pid %d", pid),
                         0);
    acts[0] = kc_act(VDPAD_ACT_VDPA_DEL, "conf0", "", 0);
    acts[1] = kc_act(VDPAD_ACT_VDPA_UNBIND, "conf0", "", 0);
    acts[2] = kc_act(VDPAD_ACT_VDPA_BIND, "conf0", "virtio_vdpa", 0);
    acts[3] = kc_act(VDPAD_ACT_VF_UNBIND, bdf, "", 0);
    acts[4] = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0);
    acts[5] = kc_act(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                     VDPAD_ESWITCH_LEGACY);
    for (size_t i = 0; i < 6; i++) {
        char text[VDPAD_ERROR_TEXT];
        int error = kc_step(acts[i], text);

        if (error != -EBUSY || !strstr(text, expected)) {
            fail_msg("%s of a device in use: %d %s",
                     vdpad_act_name((enum vdpad_act_kind) acts[i].kind), error,
                     text);
        }
    }
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_string_equal(seen.driver, "vhost_vdpa");
    assert_int_equal(kc_env->ops->numvfs(kc_env), 2);
    assert_true(kc_env->ops->is_switchdev(kc_env));

    /* What changes nothing disturbs nobody. */
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, "conf0", "vhost_vdpa", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2), -ESTALE);
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_SWITCHDEV),
                     0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);

    kc_env->ops->release(kc_env, "conf0");
    assert_false(has_holder(pid));
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_DEL, "conf0", "", 0), 0);
}

/* A guest whose descriptor is in no process is told by its features. */
static void
unseen_use_is_refused(void **state)
{
    struct vdpad_act acts[4];
    struct vdpad_picture p;
    char bdf[VDPAD_BDF_SIZE];

    (void) state;
    kc_make_vfs(1);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    kc_env->ops->hold_unseen(kc_env, "conf0");
    kc_picture(VDPAD_HOLDER, &p);
    assert_int_equal(p.n, 0);
    vdpad_picture_clear(&p);
    acts[0] = kc_act(VDPAD_ACT_VDPA_DEL, "conf0", "", 0);
    acts[1] = kc_act(VDPAD_ACT_VDPA_BIND, "conf0", "virtio_vdpa", 0);
    acts[2] = kc_act(VDPAD_ACT_VF_UNBIND, bdf, "", 0);
    acts[3] = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0);
    for (size_t i = 0; i < 4; i++) {
        char text[VDPAD_ERROR_TEXT];
        int error = kc_step(acts[i], text);

        if (error != -EBUSY || !strstr(text, "negotiated")) {
            fail_msg("%s of a device in use: %d %s",
                     vdpad_act_name((enum vdpad_act_kind) acts[i].kind), error,
                     text);
        }
    }
    kc_env->ops->release(kc_env, "conf0");
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_DEL, "conf0", "", 0), 0);
}

static bool
is_nothing_stuck(void *aux)
{
    (void) aux;
    return !kc_env->kernel->ops->stuck(kc_env->kernel, NULL, 0);
}

/* A forced deletion of a held device does not come back; meanwhile generic
 * netlink is dead, but not rtnetlink and sysfs. */
static void
blocked_del(void **state)
{
    static const enum vdpad_class alive[] = {
        VDPAD_MODULE, VDPAD_PCI,   VDPAD_LINK, VDPAD_VBUS,
        VDPAD_HOLDER, VDPAD_QDISC, VDPAD_FLOW,
    };
    const struct vdpad_kernel_ops *ops = kc_env->kernel->ops;
    struct vdpad_act acts[3];
    struct vdpad_picture p;
    struct vdpad_stuck stuck;
    struct vdpad_kernel_stats stats;
    struct kc_done done;
    struct kc_vdpa seen;
    char bdf[VDPAD_BDF_SIZE];
    int pid;

    (void) state;
    kc_make_vfs(2);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
    kc_env->ops->vf_bdf(kc_env, 1, bdf);
    pid = kc_env->ops->hold(kc_env, "conf0");
    acts[0] = kc_act(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 1);
    acts[1] = kc_act(VDPAD_ACT_VDPA_DEL, "conf0", "", 0);
    acts[1].force = true;
    acts[2] = kc_act(VDPAD_ACT_VF_UNBIND, bdf, "", 0);
    kc_submit(acts, 3, &done);
    kc_wait_done(&done, 3);
    assert_int_equal(done.ends[0].error, 0);
    assert_int_equal(done.ends[1].error, -ETIMEDOUT);
    assert_int_equal(done.ends[2].error, -ECANCELED);
    assert_int_equal(ops->stuck(kc_env->kernel, &stuck, 1), 1);
    assert_non_null(strstr(stuck.what, "conf0"));

    for (size_t i = 0; i < sizeof alive / sizeof alive[0]; i++) {
        kc_picture(alive[i], &p);
        if (alive[i] == VDPAD_VBUS) {
            /* It has left its bus already. */
            assert_int_equal(p.n, 0);
        }
        vdpad_picture_clear(&p);
    }
    assert_true(has_holder(pid));
    assert_int_equal(kc_observe(VDPAD_VDPA, &p), -ETIMEDOUT);
    assert_int_equal(kc_observe(VDPAD_MGMTDEV, &p), -ETIMEDOUT);
    ops->stats(kc_env->kernel, &stats);
    assert_true(stats.timeouts >= 3);

    kc_forget();
    kc_env->ops->release(kc_env, "conf0");
    kc_wait_invalidated((1u << VDPAD_N_CLASSES) - 1);
    /* Those who only wanted to look were stuck, too. */
    assert_true(kc_env->ops->pump(kc_env, is_nothing_stuck, NULL));
    assert_false(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    kc_picture(VDPAD_VDPA, &p);
    assert_int_equal(p.n, 0);
    vdpad_picture_clear(&p);
    assert_int_equal(done.n, 3);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
}

/* The same by way of sysfs. */
static void
blocked_unbind(void **state)
{
    struct vdpad_act act;
    struct vdpad_picture p;
    struct kc_vdpa seen;
    struct kc_done done;

    (void) state;
    kc_make_vfs(1);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
    (void) kc_env->ops->hold(kc_env, "conf0");
    act = kc_act(VDPAD_ACT_VDPA_UNBIND, "conf0", "", 0);
    act.force = true;
    kc_submit(&act, 1, &done);
    kc_wait_done(&done, 1);
    assert_int_equal(done.ends[0].error, -ETIMEDOUT);
    kc_picture(VDPAD_VBUS, &p);
    assert_int_equal(p.n, 1);
    assert_string_equal(VDPAD_ROWS(&p, vdpad_vbus)[0].driver, "");
    assert_string_equal(VDPAD_ROWS(&p, vdpad_vbus)[0].chardev, "");
    vdpad_picture_clear(&p);
    /* Other steps go on, and generic netlink, too. */
    kc_picture(VDPAD_VDPA, &p);
    assert_int_equal(p.n, 1);
    vdpad_picture_clear(&p);
    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 1), 0);
    kc_forget();
    kc_env->ops->release(kc_env, "conf0");
    kc_wait_invalidated((1u << VDPAD_N_CLASSES) - 1);
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_string_equal(seen.driver, "");
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, "conf0", "vhost_vdpa", 0), 0);
}

/* A step that ends in time although it had to wait is a success. */
static void
late_release(void **state)
{
    struct vdpad_act act;
    struct kc_vdpa seen;
    struct kc_done done;

    (void) state;
    kc_make_vfs(1);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
    (void) kc_env->ops->hold(kc_env, "conf0");
    act = kc_act(VDPAD_ACT_VDPA_DEL, "conf0", "", 0);
    act.force = true;
    kc_submit(&act, 1, &done);
    kc_env->ops->release(kc_env, "conf0");
    kc_wait_done(&done, 1);
    assert_int_equal(done.ends[0].error, 0);
    assert_false(kc_env->ops->vdpa(kc_env, "conf0", &seen));
}

const struct CMUnitTest kc_use_cases[] = {
    KC_CASE(in_use_is_refused), KC_CASE(unseen_use_is_refused),
    KC_CASE(blocked_del),       KC_CASE(blocked_unbind),
    KC_CASE(late_release),
};
const size_t kc_n_use_cases = sizeof kc_use_cases / sizeof kc_use_cases[0];
