/* SPDX-License-Identifier: Apache-2.0 */
/* The one way in which controller/ speaks to the log.  netlink/ never logs: it
 * returns errors.  ovsdb/log.c implements it over OVS's vlog (module "vdpad"),
 * so that vlog/set and --log-file work as in every OVS daemon. */
#ifndef VDPAD_LOG_H
#define VDPAD_LOG_H 1

enum vdpad_log_level {
    VDPAD_LOG_ERR,  /* Somebody must act. */
    VDPAD_LOG_WARN, /* Degraded, but acting. */
    VDPAD_LOG_INFO, /* A state changed. */
    VDPAD_LOG_DBG,
};

/* Logs one line at 'level'.  May be called from the loop's thread only. */
void vdpad_log(enum vdpad_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
