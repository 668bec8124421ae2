/* SPDX-License-Identifier: Apache-2.0 */
/* What goes for all classes and steps: observations, events, batches. */
#include "kernel-cases.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

static void
every_class_is_observed(void **state)
{
    struct vdpad_picture p;

    (void) state;
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        kc_picture(i, &p);
        vdpad_picture_clear(&p);
    }

    kc_picture(VDPAD_PCI, &p);
    const struct vdpad_pci *pf = KC_FIND(&p, vdpad_pci, bdf, kc_env->pf);
    assert_non_null(pf);
    assert_string_equal(pf->pf, "");
    assert_int_equal(pf->vf_index, -1);
    assert_int_equal(pf->numvfs, 0);
    assert_int_equal(pf->totalvfs, kc_env->totalvfs);
    assert_int_equal(pf->autoprobe, 1);
    assert_int_equal(pf->vendor, 0x15b3);
    assert_int_equal(pf->device, 0x101d);
    assert_string_not_equal(pf->driver, "");
    vdpad_picture_clear(&p);

    kc_picture(VDPAD_MODULE, &p);
    for (const char *const *name = vdpad_module_names; *name; name++) {
        assert_non_null(KC_FIND(&p, vdpad_module, name, *name));
    }
    assert_int_equal(KC_FIND(&p, vdpad_module, name, "vdpa")->state,
                     VDPAD_MODULE_LOADED);
    vdpad_picture_clear(&p);

    kc_picture(VDPAD_ESWITCH, &p);
    assert_int_equal(KC_FIND(&p, vdpad_eswitch, dev, kc_env->pf)->mode,
                     VDPAD_ESWITCH_LEGACY);
    vdpad_picture_clear(&p);

    struct kc_link link;
    kc_picture(VDPAD_LINK, &p);
    const struct vdpad_link *uplink = KC_FIND(&p, vdpad_link, name,
                                              kc_env->uplink);
    assert_non_null(uplink);
    assert_true(kc_env->ops->link(kc_env, kc_env->uplink, &link));
    assert_int_equal(uplink->ifindex, link.ifindex);
    assert_int_equal(uplink->mtu, link.mtu);
    assert_int_equal((uplink->flags & IFF_UP) != 0, link.up);
    assert_string_equal(uplink->parent_dev, kc_env->pf);
    vdpad_picture_clear(&p);
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    (void) class_;
    (void) error;
    (void) picture;
    (void) why;
    ++*(int *) aux;
}

static bool
is_one(void *aux)
{
    return *(int *) aux;
}

static void
one_observation_per_class(void **state)
{
    const struct vdpad_kernel_ops *ops = kc_env->kernel->ops;
    int n = 0;

    (void) state;
    assert_int_equal(ops->observe(kc_env->kernel, VDPAD_PCI, on_observed, &n),
                     0);
    assert_int_equal(ops->observe(kc_env->kernel, VDPAD_PCI, on_observed, &n),
                     -EBUSY);
    assert_true(kc_env->ops->pump(kc_env, is_one, &n));
    assert_int_equal(n, 1);
}

static void
events_arrive(void **state)
{
    struct vdpad_dlport port;

    (void) state;
    kc_forget();
    kc_env->ops->set_numvfs(kc_env, 2);
    kc_wait_invalidated(BIT(VDPAD_PCI) | BIT(VDPAD_LINK) | BIT(VDPAD_MGMTDEV));
    kc_forget();
    kc_env->ops->set_switchdev(kc_env, true);
    kc_wait_invalidated(BIT(VDPAD_ESWITCH) | BIT(VDPAD_DLPORT)
                        | BIT(VDPAD_LINK));
    kc_make_vfs(2);
    kc_representor(0, &port);
    kc_forget();
    kc_env->ops->rename(kc_env, port.ifname, "renamed1");
    kc_wait_invalidated(BIT(VDPAD_LINK));
    kc_representor(0, &port);
    assert_string_equal(port.ifname, "renamed1");
    assert_false(kc_lost);
}

static void
batches(void **state)
{
    struct vdpad_act acts[5];
    struct kc_done one, two;
    struct kc_link link;

    (void) state;
    acts[0] = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2);
    acts[1] = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 1);
    acts[2] = kc_act(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                     VDPAD_ESWITCH_SWITCHDEV);
    acts[3] = kc_act(VDPAD_ACT_MODULE_LOAD, kc_env->missing_module, "", 0);
    acts[4] = kc_act(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 1);
    kc_submit(acts, 5, &one);
    assert_true(kc_env->ops->link(kc_env, kc_env->uplink, &link));
    acts[0] = kc_act(VDPAD_ACT_LINK_MTU, kc_env->uplink, "", 1600);
    acts[0].ifindex = link.ifindex;
    kc_submit(acts, 1, &two);
    kc_wait_done(&two, 1);
    kc_wait_done(&one, 5);
    assert_int_equal(two.ends[0].error, 0);
    assert_int_equal(one.ends[0].error, 0);
    assert_int_equal(one.ends[1].error, -EBUSY);
    assert_int_equal(one.ends[2].error, 0);
    assert_int_equal(one.ends[3].error, -ENOENT);
    assert_int_equal(one.ends[4].error, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(one.ends[i + 1].act.kind, acts[i + 1].kind);
    }
    assert_int_equal(kc_env->ops->numvfs(kc_env), 2);
    assert_true(kc_env->ops->is_switchdev(kc_env));
}

const struct CMUnitTest kc_general_cases[] = {
    KC_CASE(every_class_is_observed),
    KC_CASE(one_observation_per_class),
    KC_CASE(events_arrive),
    KC_CASE(batches),
};
const size_t kc_n_general_cases = sizeof kc_general_cases
                                  / sizeof kc_general_cases[0];
