/* SPDX-License-Identifier: Apache-2.0 */
/* why: what it says of the programs that run guests, and of what could keep
 * them from the char devices. */
#include "cmd-fixture.h"

#include "controller/cmd-why.h"

static struct vdpad_host told[8];

static int
set_up(void **state)
{
    struct vdpad_observed_class *c;

    fixture_set_up(state);
    c = &fix.observed.class_[VDPAD_HOST];
    c->picture.rows = told;
    c->picture.n = 0;
    return 0;
}

/* Adds a fact about the host, or gives it another value. */
static void
tell(const char *name, const char *value)
{
    struct vdpad_picture *p = &fix.observed.class_[VDPAD_HOST].picture;
    size_t i = 0;

    while (i < p->n && strcmp(told[i].name, name) != 0) {
        i++;
    }
    assert_true(i < N_ELEMS(told));
    p->n += i == p->n;
    told[i] = (struct vdpad_host){ .name = "" };
    snprintf(told[i].name, sizeof told[i].name, "%s", name);
    snprintf(told[i].value, sizeof told[i].value, "%s", value);
    assert_int_equal(vdpad_picture_sort(p), 0);
}

/* Asserts what 'check' says of the first device: "fail", "unknown" and so on,
 * or "" that it says nothing. */
static void
assert_says(const char *check, const char *result, const char *seen,
            const char *remedy)
{
    json_t *rows = RUN_JSON("why", "vdpa:0000:65:00.2");
    bool found = false;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        if (strcmp(json_string_value(json_object_get(row, "check")), check)
            != 0) {
            continue;
        }
        found = true;
        assert_string_equal(json_string_value(json_object_get(row, "result")),
                            result);
        assert_contains(json_string_value(json_object_get(row, "seen")), seen);
        const char *is = json_string_value(json_object_get(row, "remedy"));
        if (remedy) {
            assert_contains(is, remedy);
        } else {
            assert_true(!is || !*is);
        }
    }
    assert_int_equal(found, result[0] != '\0');
    json_decref(rows);
}

static void
kernel(void **state)
{
    (void) state;
    assert_says("kernel", "unknown", "does not tell its release", NULL);
    tell("kernel", "5.17.0-rc1");
    assert_says("kernel", "ok", "it is 5.17.0-rc1", NULL);
    tell("kernel", "10.0.1");
    assert_says("kernel", "ok", "it is 10.0.1", NULL);
    tell("kernel", "5.14.0-503.el9.x86_64");
    assert_says("kernel", "unknown", "5.14.0-503.el9.x86_64: address, MTU",
                "vdpa mgmtdev show");
    tell("kernel", "nonsense");
    assert_says("kernel", "unknown", "it is nonsense", "boot a newer kernel");
}

static void
libvirt(void **state)
{
    (void) state;
    assert_says("libvirt", "unknown", "there is no libvirt.so.0",
                "virsh version --daemon; 6.9.0 is the first");
    tell("libvirt-source", "virtqemud, pid 5");
    tell("libvirt", "6.10.0");
    assert_says("libvirt", "ok", "it is 6.10.0 (virtqemud, pid 5)", NULL);
    tell("libvirt", "6.8.12");
    assert_says("libvirt", "fail", "6.8.12 (virtqemud, pid 5): 6.9.0 is",
                "install a newer libvirt");
}

static void
qemu(void **state)
{
    (void) state;
    assert_says("qemu", "unknown", "libvirt has noted no QEMU",
                "qemu-system-x86_64 --version; 5.1.0 is the first");
    tell("qemu//usr/bin/qemu", "7.2.22");
    assert_says("qemu", "ok", "/usr/bin/qemu is 7.2.22, as libvirt has noted",
                NULL);
    /* An old one, whatever it is beside. */
    tell("qemu//opt/old", "5.0.99");
    tell("qemu//a", "9.0.0");
    assert_says("qemu", "fail", "/opt/old is 5.0.99, as libvirt has noted",
                "a newer QEMU");
    tell("qemu//opt/old", "10.0.0");
    assert_says("qemu", "ok", " is ", NULL);
}

static void
for_containers_only(void **state)
{
    (void) state;
    tell("libvirt", "1.0.0");
    tell("libvirt-source", "x");
    tell("qemu//usr/bin/qemu", "1.0.0");
    fix.policy.type = VDPAD_TYPE_VIRTIO;
    strcpy(fix.vbus[0].driver, "virtio_vdpa");
    fix.vbus[0].chardev[0] = '\0';
    assert_says("libvirt", "", "", NULL);
    assert_says("qemu", "", "", NULL);
    assert_says("chardev-label", "", "", NULL);
    assert_says("kernel", "unknown", "", NULL);
}

static void
selinux(void **state)
{
    static const char check[] = "chardev-label",
                      label[] = "label/vhost-vdpa-0";

    (void) state;
    tell("selinux", "enforcing");
    tell(label, "system_u:object_r:device_t:s0");
    assert_says(check, "ok", "/dev/vhost-vdpa-0 is open: pid ", NULL);

    fix.devs[0].n_holders = 0;
    assert_says(check, "fail",
                "SELinux is enforcing, and /dev/vhost-vdpa-0 is labelled "
                "system_u:object_r:device_t:s0, not vhost_device_t",
                "restorecon -v /dev/vhost-vdpa-0");
    tell(label, "system_u:object_r:vhost_device_t:s0");
    assert_says(check, "ok", "system_u:object_r:vhost_device_t:s0", NULL);
    tell(label, "system_u:object_r:svirt_image_t:s0:c1,c2");
    assert_says(check, "ok", "svirt_image_t", NULL);
    tell(label, "system_u:object_r:tmp_t:s0");
    assert_says(check, "unknown", "tmp_t:s0, not vhost_device_t",
                "restorecon");
    tell(label, "nonsense");
    assert_says(check, "unknown", "labelled nonsense", "restorecon");
    tell("selinux", "permissive");
    tell(label, "system_u:object_r:device_t:s0");
    assert_says(check, "unknown", "SELinux is permissive", "restorecon");
    fix.observed.class_[VDPAD_HOST].picture.n = 0;
    tell("selinux", "enforcing");
    assert_says(check, "unknown", "the label of /dev/vhost-vdpa-0 cannot be",
                "ls -Z /dev/vhost-vdpa-0");
}

static void
apparmor(void **state)
{
    static const char check[] = "chardev-label";

    (void) state;
    fix.devs[0].n_holders = 0;
    assert_says(check, "ok", "neither SELinux nor AppArmor is on", NULL);
    tell("apparmor", "allowed");
    assert_says(check, "ok", "guests of libvirt may open", NULL);
    tell("apparmor", "no profile of guests");
    assert_says(check, "ok", "is not installed", NULL);
    tell("apparmor", "not named");
    assert_says(check, "unknown", "does not name /dev/vhost-vdpa-0",
                "/etc/apparmor.d/local/abstractions/libvirt-qemu");
    fix.devs[0].n_holders = 1;
    assert_says(check, "ok", "is open", NULL);
}

#define why_test(NAME) \
    cmocka_unit_test_setup_teardown(NAME, set_up, fixture_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        why_test(kernel),  why_test(libvirt),
        why_test(qemu),    why_test(for_containers_only),
        why_test(selinux), why_test(apparmor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
