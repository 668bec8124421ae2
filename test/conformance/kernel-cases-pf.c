/* SPDX-License-Identifier: Apache-2.0 */
/* PFs and their VFs: numbers, e-switch modes, drivers, addresses; modules. */
#include "kernel-cases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
numvfs(void **state)
{
    struct vdpad_picture p;
    struct vdpad_act act;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 3), 0);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 3);
    kc_picture(VDPAD_PCI, &p);
    assert_int_equal(KC_FIND(&p, vdpad_pci, bdf, kc_env->pf)->numvfs, 3);
    for (int i = 0; i < 3; i++) {
        const struct vdpad_pci *vf;
        char bdf[VDPAD_BDF_SIZE];

        kc_env->ops->vf_bdf(kc_env, i, bdf);
        vf = KC_FIND(&p, vdpad_pci, bdf, bdf);
        assert_non_null(vf);
        assert_string_equal(vf->pf, kc_env->pf);
        assert_int_equal(vf->vf_index, i);
        assert_int_equal(vf->numvfs, -1);
        assert_int_equal(vf->device, 0x101e);
        assert_string_equal(vf->driver, kc_env->vf_driver);
    }
    vdpad_picture_clear(&p);

    /* What is there already was made by another; another number needs 0
     * first. */
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 3), -ESTALE);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2), -EBUSY);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 3);
    act = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0);
    act.seen = 2;
    assert_int_equal(kc_step(act, NULL), -ESTALE);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 3);
    act.seen = 3;
    assert_int_equal(kc_step(act, NULL), 0);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 0);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "",
                           kc_env->totalvfs + 1),
                     -ERANGE);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, "0000:fe:1f.7", "", 1), -ENODEV);
}

/* VFs that a reset has taken away are back when the kernel answers: they are
 * not made a second time, nor kept from their drivers, and go for good. */
static void
numvfs_during_a_reset(void **state)
{
    struct vdpad_picture p;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2), 0);
    kc_env->ops->reset(kc_env);
    kc_picture(VDPAD_PCI, &p);
    assert_int_equal(KC_FIND(&p, vdpad_pci, bdf, kc_env->pf)->numvfs, 0);
    vdpad_picture_clear(&p);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2), -ESTALE);
    kc_env->ops->reset(kc_env);
    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 0), -ESTALE);
    kc_env->ops->reset(kc_env);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0), 0);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 0);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 1), 0);
}

static void
eswitch_mode(void **state)
{
    struct vdpad_picture links, ports;
    const struct vdpad_link *uplink;

    (void) state;
    kc_env->ops->set_numvfs(kc_env, 2);
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_SWITCHDEV),
                     0);
    assert_true(kc_env->ops->is_switchdev(kc_env));
    kc_make_vfs(2);
    kc_picture(VDPAD_DLPORT, &ports);
    kc_picture(VDPAD_LINK, &links);
    uplink = KC_FIND(&links, vdpad_link, name, kc_env->uplink);
    assert_non_null(uplink);
    assert_true(uplink->switch_id_len > 0);
    for (int i = 0; i < 2; i++) {
        struct vdpad_dlport port;
        const struct vdpad_link *rep;
        struct kc_link link;
        char tail[8];

        kc_representor(i, &port);
        assert_int_equal(port.flavour, 4);
        rep = KC_FIND(&links, vdpad_link, name, port.ifname);
        assert_non_null(rep);
        assert_int_equal(rep->ifindex, port.ifindex);
        assert_int_equal(rep->switch_id_len, uplink->switch_id_len);
        assert_memory_equal(rep->switch_id, uplink->switch_id,
                            uplink->switch_id_len);
        assert_int_equal(snprintf(tail, sizeof tail, "vf%d", i), 3);
        assert_non_null(strstr(rep->port_name, tail));
        assert_true(kc_env->ops->link(kc_env, port.ifname, &link));
        assert_int_equal(link.ifindex, port.ifindex);
    }
    vdpad_picture_clear(&ports);
    vdpad_picture_clear(&links);

    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_SWITCHDEV),
                     0);
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_LEGACY),
                     0);
    assert_false(kc_env->ops->is_switchdev(kc_env));
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, "0000:fe:1f.7", "",
                           VDPAD_ESWITCH_LEGACY),
                     -ENODEV);
}

static void
module_load(void **state)
{
    struct vdpad_picture p;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "vhost_vdpa", "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "vhost_vdpa", "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "virtio_vdpa", "", 0), 0);
    kc_picture(VDPAD_MODULE, &p);
    assert_int_equal(KC_FIND(&p, vdpad_module, name, "vhost_vdpa")->state,
                     VDPAD_MODULE_LOADED);
    assert_int_equal(KC_FIND(&p, vdpad_module, name, "virtio_vdpa")->state,
                     VDPAD_MODULE_LOADED);
    vdpad_picture_clear(&p);
    assert_int_equal(
        kc_do(VDPAD_ACT_MODULE_LOAD, kc_env->missing_module, "", 0), -ENOENT);
    /* What the daemon has no use for is not loaded. */
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "usb_storage", "", 0),
                     -EINVAL);
}

static void
autoprobe(void **state)
{
    char bdf[VDPAD_BDF_SIZE], driver[VDPAD_WORD_SIZE];
    struct vdpad_picture p;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 0), 0);
    kc_picture(VDPAD_PCI, &p);
    assert_int_equal(KC_FIND(&p, vdpad_pci, bdf, kc_env->pf)->autoprobe, 0);
    vdpad_picture_clear(&p);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 1), 0);
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    kc_env->ops->vf_driver(kc_env, bdf, driver);
    assert_string_equal(driver, "");

    /* It also keeps a driver away that others ask for by name, but not one
     * that a step asks for. */
    for (int by_name = 0; by_name < 2; by_name++) {
        assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf,
                               by_name ? kc_env->vf_driver : "", 0),
                         0);
        kc_env->ops->vf_driver(kc_env, bdf, driver);
        assert_string_equal(driver, kc_env->vf_driver);
        kc_picture(VDPAD_PCI, &p);
        assert_string_equal(KC_FIND(&p, vdpad_pci, bdf, bdf)->driver_override,
                            by_name ? kc_env->vf_driver : "");
        vdpad_picture_clear(&p);
        assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    }
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);

    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 1), 0);
    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, "0000:fe:1f.7", "", 1),
                     -ENODEV);
}

static void
vf_probe_and_unbind(void **state)
{
    char bdf[VDPAD_BDF_SIZE], driver[VDPAD_WORD_SIZE];

    (void) state;
    kc_make_vfs(1);
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    kc_env->ops->vf_driver(kc_env, bdf, driver);
    assert_string_equal(driver, "");
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    kc_env->ops->vf_driver(kc_env, bdf, driver);
    assert_string_equal(driver, kc_env->vf_driver);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "no_such_driver", 0),
                     -ENOENT);

    /* What has been given to the driver meanwhile was so by another. */
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, kc_env->vf_driver, 0),
                     -ESTALE);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, "0000:fe:1f.7", "", 0),
                     -ENODEV);
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, "0000:fe:1f.7", "", 0),
                     -ENODEV);
}

static void
port_hw_addr(void **state)
{
    struct vdpad_act act;
    struct vdpad_dlport port;
    struct vdpad_picture p;
    char mac[18];

    (void) state;
    kc_make_vfs(2);
    kc_representor(1, &port);
    act = kc_act(VDPAD_ACT_PORT_HW_ADDR, kc_env->pf, "", port.index);
    act.has_mac = true;
    memcpy(act.mac, (uint8_t[6]){ 2, 0x10, 0x20, 0x30, 0x40, 0x50 }, 6);
    assert_int_equal(kc_step(act, NULL), 0);
    kc_env->ops->function_mac(kc_env, 1, mac);
    assert_string_equal(mac, "02:10:20:30:40:50");
    kc_representor(1, &port);
    assert_true(port.has_hw_addr);
    assert_memory_equal(port.hw_addr, act.mac, 6);

    act.number = 54321;
    assert_int_equal(kc_step(act, NULL), -ENODEV);

    /* A vDPA device that is given no address has its VF's. */
    kc_make_vdpa("conf0", 1, "vhost_vdpa");
    kc_picture(VDPAD_VDPA, &p);
    assert_int_equal(p.n, 1);
    if (VDPAD_ROWS(&p, vdpad_vdpa)[0].has_config) {
        assert_true(VDPAD_ROWS(&p, vdpad_vdpa)[0].has_mac);
        assert_memory_equal(VDPAD_ROWS(&p, vdpad_vdpa)[0].mac, act.mac, 6);
    }
    vdpad_picture_clear(&p);
}

const struct CMUnitTest kc_pf_cases[] = {
    KC_CASE(numvfs),       KC_CASE(numvfs_during_a_reset),
    KC_CASE(eswitch_mode), KC_CASE(module_load),
    KC_CASE(autoprobe),    KC_CASE(vf_probe_and_unbind),
    KC_CASE(port_hw_addr),
};
const size_t kc_n_pf_cases = sizeof kc_pf_cases / sizeof kc_pf_cases[0];
