/* SPDX-License-Identifier: Apache-2.0 */
/* vDPA devices: made, bound, changed, deleted. */
#include "kernel-cases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

static struct vdpad_act
add_act(const char *name, int vf)
{
    char bdf[VDPAD_BDF_SIZE], handle[VDPAD_BDF_SIZE + 4];

    kc_env->ops->vf_bdf(kc_env, vf, bdf);
    (void) snprintf(handle, sizeof handle, "pci/%s", bdf);
    return kc_act(VDPAD_ACT_VDPA_ADD, name, handle, 0);
}

static bool
find_vbus(const char *name, struct vdpad_vbus *ret)
{
    struct vdpad_picture p;
    bool found = false;

    kc_picture(VDPAD_VBUS, &p);
    for (size_t i = 0; i < p.n; i++) {
        if (!strcmp(VDPAD_ROWS(&p, vdpad_vbus)[i].name, name)) {
            *ret = VDPAD_ROWS(&p, vdpad_vbus)[i];
            found = true;
        }
    }
    vdpad_picture_clear(&p);
    return found;
}

static bool
find_vdpa(const char *name, struct vdpad_vdpa *ret)
{
    struct vdpad_picture p;
    bool found = false;

    kc_picture(VDPAD_VDPA, &p);
    for (size_t i = 0; i < p.n; i++) {
        if (!strcmp(VDPAD_ROWS(&p, vdpad_vdpa)[i].name, name)) {
            *ret = VDPAD_ROWS(&p, vdpad_vdpa)[i];
            found = true;
        }
    }
    vdpad_picture_clear(&p);
    return found;
}

static void
vdpa_add_and_del(void **state)
{
    struct vdpad_act act;
    struct vdpad_vdpa row;
    struct vdpad_vbus vbus;
    struct kc_vdpa seen;
    char bdf[VDPAD_BDF_SIZE], where[VDPAD_BDF_SIZE * 2 + 4];

    (void) state;
    kc_make_vfs(2);
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    act = add_act("conf0", 0);
    act.has_mac = true;
    memcpy(act.mac, (uint8_t[6]){ 2, 1, 2, 3, 4, 5 }, 6);
    act.mtu = 1400;
    act.max_vqp = 2;
    kc_forget();
    assert_int_equal(kc_step(act, NULL), 0);
    kc_wait_invalidated(BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_string_equal(seen.vf, bdf);
    assert_string_equal(seen.mac, "02:01:02:03:04:05");
    assert_int_equal(seen.mtu, 1400);
    assert_int_equal(seen.max_vqp, 2);
    assert_true(find_vdpa("conf0", &row));
    assert_string_equal(row.bus, "pci");
    assert_string_equal(row.dev, bdf);
    assert_int_equal(row.id, 1);
    assert_true(row.has_config && row.has_mac && row.has_mtu
                && row.has_max_vqp);
    assert_memory_equal(row.mac, act.mac, 6);
    assert_int_equal(row.mtu, 1400);
    assert_int_equal(row.max_vqp, 2);
    assert_true(find_vbus("conf0", &vbus));
    assert_string_equal(vbus.parent, bdf);

    /* One name, one device; one VF, one device. */
    assert_int_equal(kc_step(add_act("conf0", 1), NULL), -EEXIST);
    assert_int_equal(kc_step(add_act("conf1", 0), NULL), -ENOSPC);

    /* Nor is another VF's of that name deleted. */
    kc_env->ops->vf_bdf(kc_env, 1, bdf);
    (void) snprintf(where, sizeof where, "pci/%s", bdf);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_DEL, "conf0", where, 0), -ESTALE);
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));

    kc_forget();
    (void) snprintf(where, sizeof where, "pci/%s", row.dev);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_DEL, "conf0", where, 0), 0);
    kc_wait_invalidated(BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
    assert_false(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_false(find_vdpa("conf0", &row));
    assert_false(find_vbus("conf0", &vbus));
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_DEL, "conf0", where, 0), -ENODEV);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_DEL, "conf0", "", 0), -ENODEV);
}

static void
vdpa_add_is_refused(void **state)
{
    struct vdpad_act act;
    struct kc_vdpa seen;
    char text[VDPAD_ERROR_TEXT];

    (void) state;
    kc_make_vfs(1);
    act = add_act("conf0", 0);
    act.max_vqp = 1000;
    assert_int_equal(kc_step(act, NULL), -EINVAL);
    act = add_act("conf0", 0);
    act.mtu = 67;
    assert_int_equal(kc_step(act, NULL), -ERANGE);
    act = kc_act(VDPAD_ACT_VDPA_ADD, "conf0", "pci/0000:fe:1f.7", 0);
    assert_int_equal(kc_step(act, text), -ENODEV);
    assert_non_null(strstr(text, "0000:fe:1f.7"));
    assert_false(kc_env->ops->vdpa(kc_env, "conf0", &seen));
}

static void
vdpa_bind(void **state)
{
    struct vdpad_vbus vbus;
    struct kc_vdpa seen;
    struct kc_link link;

    (void) state;
    kc_make_vfs(1);
    kc_make_vdpa("conf0", 0, "vhost_vdpa");
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_string_equal(seen.driver, "vhost_vdpa");
    assert_true(find_vbus("conf0", &vbus));
    assert_string_equal(vbus.driver, "vhost_vdpa");
    assert_int_equal(strncmp(vbus.chardev, "vhost-vdpa-", 11), 0);
    assert_string_equal(vbus.virtio, "");
    assert_string_equal(vbus.driver_override, "");

    kc_forget();
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, "conf0", "virtio_vdpa", 0), 0);
    kc_wait_invalidated(BIT(VDPAD_VBUS) | BIT(VDPAD_LINK));
    assert_true(find_vbus("conf0", &vbus));
    assert_string_equal(vbus.driver, "virtio_vdpa");
    assert_string_equal(vbus.chardev, "");
    assert_int_equal(strncmp(vbus.virtio, "virtio", 6), 0);
    assert_string_not_equal(vbus.netdev, "");
    assert_false(vbus.netdev_away);
    assert_true(kc_env->ops->link(kc_env, vbus.netdev, &link));

    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, "conf0", "virtio_vdpa", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_UNBIND, "conf0", "", 0), 0);
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_string_equal(seen.driver, "");
    assert_true(find_vbus("conf0", &vbus));
    assert_string_equal(vbus.driver, "");
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_UNBIND, "conf0", "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, "conf0", "vhost_vdpa", 0), 0);
    assert_true(kc_do(VDPAD_ACT_VDPA_BIND, "conf0", "no_such_driver", 0) < 0);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, "conf9", "vhost_vdpa", 0),
                     -ENODEV);
}

static void
vdpa_set_mac(void **state)
{
    struct vdpad_act act;
    struct vdpad_vdpa row;
    struct kc_vdpa seen;

    (void) state;
    kc_make_vfs(1);
    act = add_act("conf0", 0);
    act.has_mac = true;
    memcpy(act.mac, (uint8_t[6]){ 2, 1, 2, 3, 4, 5 }, 6);
    assert_int_equal(kc_step(act, NULL), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_UNBIND, "conf0", "", 0), 0);
    act = kc_act(VDPAD_ACT_VDPA_SET_MAC, "conf0", "", 0);
    act.has_mac = true;
    memcpy(act.mac, (uint8_t[6]){ 2, 9, 8, 7, 6, 5 }, 6);
    assert_int_equal(kc_step(act, NULL), 0);
    assert_true(kc_env->ops->vdpa(kc_env, "conf0", &seen));
    assert_string_equal(seen.mac, "02:09:08:07:06:05");
    assert_true(find_vdpa("conf0", &row));
    assert_memory_equal(row.mac, act.mac, 6);
    act = kc_act(VDPAD_ACT_VDPA_SET_MAC, "conf9", "", 0);
    act.has_mac = true;
    assert_int_equal(kc_step(act, NULL), -ENODEV);
}

/* What others do is seen, and what takes a VF away takes its device. */
static void
vdpa_of_others(void **state)
{
    struct vdpad_vbus vbus;
    struct vdpad_vdpa row;
    char bdf[VDPAD_BDF_SIZE];

    (void) state;
    kc_make_vfs(2);
    kc_env->ops->vf_bdf(kc_env, 1, bdf);
    kc_forget();
    kc_env->ops->add_vdpa(kc_env, "other0", bdf);
    kc_wait_invalidated(BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
    assert_true(find_vdpa("other0", &row));
    assert_string_equal(row.dev, bdf);
    kc_forget();
    kc_env->ops->del_vdpa(kc_env, "other0");
    kc_wait_invalidated(BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
    assert_false(find_vdpa("other0", &row));

    kc_env->ops->add_vdpa(kc_env, "other0", bdf);
    assert_true(find_vbus("other0", &vbus));
    kc_forget();
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    kc_wait_invalidated(BIT(VDPAD_VBUS) | BIT(VDPAD_MGMTDEV));
    assert_false(find_vbus("other0", &vbus));
    assert_int_equal(kc_step(add_act("other0", 1), NULL), -ENODEV);

    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    kc_make_vfs(2);
    kc_env->ops->add_vdpa(kc_env, "other0", bdf);
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_LEGACY),
                     0);
    assert_false(find_vbus("other0", &vbus));
}

static void
numvfs_0_removes_all(void **state)
{
    struct vdpad_act act;
    struct vdpad_dlport port;
    struct vdpad_picture p;
    struct vdpad_vbus vbus;

    (void) state;
    kc_make_vfs(2);
    kc_make_vdpa("conf0", 0, "virtio_vdpa");
    kc_representor(0, &port);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0), 0);
    assert_false(find_vbus("conf0", &vbus));
    kc_picture(VDPAD_MGMTDEV, &p);
    assert_int_equal(p.n, 0);
    vdpad_picture_clear(&p);
    act = kc_act(VDPAD_ACT_LINK_UP, port.ifname, "", 1);
    act.ifindex = port.ifindex;
    assert_int_equal(kc_step(act, NULL), -ESTALE);
}

const struct CMUnitTest kc_vdpa_cases[] = {
    KC_CASE(vdpa_add_and_del), KC_CASE(vdpa_add_is_refused),
    KC_CASE(vdpa_bind),        KC_CASE(vdpa_set_mac),
    KC_CASE(vdpa_of_others),   KC_CASE(numvfs_0_removes_all),
};
const size_t kc_n_vdpa_cases = sizeof kc_vdpa_cases / sizeof kc_vdpa_cases[0];
