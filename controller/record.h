/* SPDX-License-Identifier: Apache-2.0 */
/* The record of what we changed: the proof of ownership, and what tear-down
 * restores.  It lies in OVS's rundir, hence ends with the kernel's own state
 * at a reboot, and survives the daemon's death and the loss of the database.
 *
 * An entry is written before the first change that it covers.  It is in doubt
 * while a helper process of an earlier daemon may still be making that change:
 * then it is kept whatever is seen, since what comes about later could not be
 * proven to be ours without it. */
#ifndef VDPAD_RECORD_H
#define VDPAD_RECORD_H 1

#include <stdbool.h>

#include <vdpad/error.h>
#include <vdpad/model.h>
#include <vdpad/store.h>

/* State of a PF before our first change.  -1: that was not changed. */
struct vdpad_record_pf {
    char bdf[VDPAD_BDF_SIZE];
    int32_t numvfs, mode, autoprobe, mtu, tc_offload;
    int32_t vfs_asked; /* So many VFs we asked for last; 0: for none any more,
                        * and those that come are another program's. */
    int32_t vfs_made;  /* And so many have come by that: what proves that those
                        * that are there are ours. */
    bool in_doubt;     /* Not saved. */
    bool vfs_in_doubt; /* Likewise; of 'numvfs' being 0. */
};

/* A VF that a policy of ours covers: its vDPA device with that name was made
 * by us. */
struct vdpad_record_dev {
    char vf[VDPAD_BDF_SIZE];
    char name[VDPAD_NAME_SIZE]; /* "" when the device was adopted:
                                         * not ours to delete. */
    char policy[VDPAD_NAME_SIZE];
    char port[VDPAD_IFACE_ID_SIZE]; /* The vdpa-port-* key, one of any device
                                     * of a policy, that it was given to; "":
                                     * none. */
    bool in_doubt;                  /* Not saved. */
};

/* A VF that was given to vfio-pci for a policy: to be taken back when none
 * asks for that any more. */
struct vdpad_record_vf {
    char vf[VDPAD_BDF_SIZE];
    bool in_doubt; /* Not saved. */
};

/* A policy that was applied, and in which database it was seen. */
struct vdpad_record_policy {
    char name[VDPAD_NAME_SIZE];
    char db[VDPAD_UUID_SIZE]; /* Open_vSwitch row. */
};

struct vdpad_record {
    size_t n_pfs, n_devs, n_vfs, n_policies;
    struct vdpad_record_pf *pfs; /* Each sorted by its first member. */
    struct vdpad_record_dev *devs;
    struct vdpad_record_vf *vfs;
    struct vdpad_record_policy *policies;
};

struct vdpad_record_pf *vdpad_record_find_pf(const struct vdpad_record *,
                                             const char *bdf);
struct vdpad_record_dev *vdpad_record_find_dev(const struct vdpad_record *,
                                               const char *vf);
struct vdpad_record_vf *vdpad_record_find_vf(const struct vdpad_record *,
                                             const char *vf);
struct vdpad_record_policy *
vdpad_record_find_policy(const struct vdpad_record *, const char *name);

/* Adds an entry (or returns the one that is there); the rest of it is zero,
 * and -1 for a PF's values. */
struct vdpad_record_pf *vdpad_record_add_pf(struct vdpad_record *,
                                            const char *bdf);
struct vdpad_record_dev *vdpad_record_add_dev(struct vdpad_record *,
                                              const char *vf);
struct vdpad_record_vf *vdpad_record_add_vf(struct vdpad_record *,
                                            const char *vf);
struct vdpad_record_policy *vdpad_record_add_policy(struct vdpad_record *,
                                                    const char *name);

/* No VFs of 'pf' are ours, nor any that may come. */
void vdpad_record_forget_vfs(struct vdpad_record_pf *pf);

/* Whether VFs of 'pf' that are there, or come back from a reset, are ours: a
 * daemon that was replaced may have recorded no number. */
bool vdpad_record_has_vfs(const struct vdpad_record_pf *pf);

void vdpad_record_del_pf(struct vdpad_record *, const char *bdf);
void vdpad_record_del_dev(struct vdpad_record *, const char *vf);
void vdpad_record_del_vf(struct vdpad_record *, const char *vf);
void vdpad_record_del_policy(struct vdpad_record *, const char *name);

/* No helper process of an earlier daemon is left: nothing is in doubt. */
void vdpad_record_settle(struct vdpad_record *);

/* Reads 'path'; all is in doubt.  No such file, or one of an earlier boot: an
 * empty record and 0.  A file that cannot be understood: an empty record,
 * -EINVAL with 'why', and the file is renamed to PATH.bad, since nothing can
 * be proven by it; but not with 'is_dry_run'.  A symbolic link, or a file that
 * others own or may write: an empty record and -ELOOP or -EPERM with 'why'. */
int vdpad_record_load(const char *path, bool is_dry_run,
                      struct vdpad_record **ret_record,
                      struct vdpad_error *why);

/* Replaces 'path' by 'record', atomically.  Returns 0 or a negative errno
 * with 'why'. */
int vdpad_record_save(const struct vdpad_record *record, const char *path,
                      struct vdpad_error *why);

/* Returns a copy owned by the caller. */
struct vdpad_record *vdpad_record_copy(const struct vdpad_record *);

void vdpad_record_free(struct vdpad_record *);

#endif
